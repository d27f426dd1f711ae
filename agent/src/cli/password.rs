//! `hostlens hash-password`: the hash of a password, without the password in a shell's history.

use anyhow::{Context, Result, bail, ensure};
use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use std::io::{BufRead, Stdin, Write, stderr, stdin};

/// Reads a password from stdin, twice and unseen if that is a terminal, and hashes it with bcrypt.
///
/// # Errors
/// When there is none, the two differ, or it is longer than bcrypt takes.
pub fn hash_password(cost: u32) -> Result<String> {
    let input = stdin();
    let password = match isatty(&input) {
        false => read_line(&input)?,
        true => {
            let first = ask(&input, "Password: ")?;
            if ask(&input, "Again: ")? != first {
                bail!("the two differ");
            }
            first
        }
    };
    ensure!(!password.is_empty(), "the password is empty");
    bcrypt::non_truncating_hash(&password, cost).context("hash the password")
}

fn ask(input: &Stdin, prompt: &str) -> Result<String> {
    let mut terminal = stderr();
    write!(terminal, "{prompt}").context("write to the terminal")?;
    let before = tcgetattr(input).context("read the terminal's modes")?;
    let mut quiet = before.clone();
    quiet.local_modes -= LocalModes::ECHO;
    tcsetattr(input, OptionalActions::Flush, &quiet).context("switch the terminal's echo off")?;
    let line = read_line(input);
    tcsetattr(input, OptionalActions::Flush, &before).context("switch the terminal's echo on")?;
    writeln!(terminal).context("write to the terminal")?;
    line
}

/// A line without its end.
fn read_line(input: &Stdin) -> Result<String> {
    let mut line = String::new();
    input.lock().read_line(&mut line).context("read the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
