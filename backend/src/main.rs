//! The `cardamom` command.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    backend::cli::run().await
}
