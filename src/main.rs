//! The command `ganger`: everything is in the library.

fn main() -> std::process::ExitCode {
    ganger::cli::main()
}
