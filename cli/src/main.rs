//! The one binary, `orderstream`.

fn main() -> std::process::ExitCode {
    cli::main()
}
