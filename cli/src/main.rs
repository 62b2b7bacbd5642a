//! The one binary, `orderstream`.

/// Events are many small values, made by one thread and often dropped by another: what glibc's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
