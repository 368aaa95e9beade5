//! Serves a sandbox until it is interrupted: `cargo run -p sandbox --example serve -- 8001`; a second argument is how
//! many times faster than the wall's its time goes.

use std::net::SocketAddr;
use std::sync::Arc;

use clock::{Ids, ScaledClock};
use sandbox::{AnyImage, Sandbox, SandboxOptions};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the address is the answer")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8001);
    let speed = std::env::args().nth(2).and_then(|speed| speed.parse().ok()).unwrap_or(1.0);
    let options = SandboxOptions {
        clock: Arc::new(ScaledClock::starting_now(speed)),
        ids: Ids::random(),
        folder: None,
        images: Arc::new(AnyImage),
    };
    let sandbox = Sandbox::start(options)?;
    println!("http://{}", sandbox.listen(SocketAddr::from(([127, 0, 0, 1], port))).await?);
    tokio::signal::ctrl_c().await?;
    Ok(())
}
