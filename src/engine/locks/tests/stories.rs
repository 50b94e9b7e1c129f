//! What is easily got wrong, one by one.
