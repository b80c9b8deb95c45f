//! The `cardamom` command.

/// Captures allocate many small things on several threads; the system's allocator spends a tenth of the time on
/// them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    backend::cli::run().await
}
