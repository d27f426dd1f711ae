//! What the dashboards are to show: busy CPUs, a disk that is written and read, connections, packets that nobody takes.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

/// Ended on drop.
pub(super) struct Load {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let file = folder.join("load");
        let steps: [Box<dyn Fn() -> Result<()> + Send>; 5] = [
            Box::new(spin),
            Box::new(spin),
            Box::new(move || use_disk(&file)),
            Box::new(connect),
            Box::new(flood),
        ];
        for step in steps {
            let is_over = Arc::clone(&is_over);
            threads.push(thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    if let Err(error) = step() {
                        eprintln!("load: {error:#}");
                        return;
                    }
                }
            }));
        }
        Ok(Self { is_over, threads })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            thread.join().ok();
        }
    }
}

fn spin() -> Result<()> {
    std::hint::black_box((0..5_000_000_u64).fold(0, u64::wrapping_add));
    sleep(Duration::from_millis(5));
    Ok(())
}

/// Writes a mebibyte through to the disk, and reads it from there.
fn use_disk(path: &PathBuf) -> Result<()> {
    let mut file: File = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .context("open a file")?;
    file.write_all(&vec![7; 1 << 20])?;
    file.sync_all()?;
    fadvise(file.as_fd(), 0, None, Advice::DontNeed)?;
    file.rewind()?;
    file.read_to_end(&mut Vec::new())?;
    sleep(Duration::from_millis(100));
    Ok(())
}

/// A connection that ends, and one that is refused.
fn connect() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut client = TcpStream::connect(address)?;
    let (mut server, _) = listener.accept()?;
    client.write_all(&[7; 4096])?;
    server.read_exact(&mut [0; 4096])?;
    drop((client, server, listener));
    // Nobody listens any more.
    TcpStream::connect(address).err();
    sleep(Duration::from_millis(20));
    Ok(())
}

/// More datagrams than a socket that nobody reads takes, and some to a port that nobody has.
fn flood() -> Result<()> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    for _ in 0..400 {
        sender.send_to(&[7; 2048], receiver.local_addr()?)?;
    }
    let gone = receiver.local_addr()?;
    drop(receiver);
    // Refused, as it is to be.
    sender.send_to(&[7; 64], gone).ok();
    sleep(Duration::from_millis(50));
    Ok(())
}
