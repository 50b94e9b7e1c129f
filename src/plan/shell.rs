//! Where in a POSIX shell text a placeholder stands, and so how its value must be quoted.
