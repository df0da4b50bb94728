//! The `cloister` program: everything it does lives in the library, so that tests reach it too.

use std::process::ExitCode;

/// Training reuses large buffers; this allocator keeps them mapped, the system's returns them and faults them in again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cloister::cli::main()
}
