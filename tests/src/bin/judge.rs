//! `cargo run -p hostlens-tests --bin judge [RUNS]`, as root: how long tasks wait for a CPU, by the probe and by its judge,
//! under each load so many times. No run is made again.

use std::env;

use anyhow::{Result, ensure};
use hostlens_tests::judge::{Bounds, Load, Verdict};

fn main() -> Result<()> {
    let n_runs = env::args().nth(1).map_or(Ok(5), |it| it.parse::<u32>())?;
    let mut n_off = 0;
    for load in Load::ALL {
        for _ in 0..n_runs {
            match Verdict::on(load, false)?.within(Bounds::NATIVE) {
                Ok(verdict) => println!("{verdict}"),
                Err(error) => {
                    n_off += 1;
                    println!("OFF {error:#}");
                }
            }
        }
    }
    ensure!(n_off == 0, "{n_off} of {} runs are off", n_runs as usize * Load::ALL.len());
    Ok(())
}
