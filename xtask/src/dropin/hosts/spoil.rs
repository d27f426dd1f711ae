//! What is done to a recorded host: files are removed, numbers and names in them and names of theirs are changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// One file in so many is spoiled.
const ONE_IN: u64 = 20;
/// One word in so many of a file that is spoiled.
const WORD_IN: u64 = 4;
const FOLDERS: [&str; 4] = ["proc", "sys", "udev", "wifi"];
/// Where a file is missing that node_exporter cannot be without: it panics.
const LEFT_ALONE: &str = "sys/class/fc_host";

/// SplitMix64: the same for the same seed, on any machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it ^ (it >> 31)) % n
    }
}

/// Spoils files of a host; says what was done.
pub(super) fn spoil(host: &Path, seed: u64) -> Result<Vec<String>> {
    let mut dice = Dice(seed);
    let mut files = Vec::new();
    for folder in FOLDERS {
        list(&host.join(folder), &mut files)?;
    }
    let mut done = Vec::new();
    for path in files {
        if dice.below(ONE_IN) > 0 || path.starts_with(host.join(LEFT_ALONE)) {
            continue;
        }
        let name = path.strip_prefix(host)?.display().to_string();
        let text = fs::read_to_string(&path).ok();
        let what = match (dice.below(8), text) {
            (0 | 1, _) => {
                fs::remove_file(&path)?;
                "removed"
            }
            (2, _) => {
                let renamed = path
                    .with_file_name(format!("{}x", path.file_name().context("a file has a name")?.display()));
                fs::rename(&path, renamed)?;
                "renamed"
            }
            (3, Some(text)) => {
                fs::write(
                    &path,
                    changed(&text, &mut dice, |it| it.is_ascii_lowercase(), b"abcdefghijklmnopqrstuvwxyz"),
                )?;
                "names changed"
            }
            (_, Some(text)) => {
                fs::write(&path, changed(&text, &mut dice, |it| it.is_ascii_digit(), b"0123456789"))?;
                "numbers changed"
            }
            (_, None) => continue,
        };
        done.push(format!("{name}: {what}"));
    }
    Ok(done)
}

/// Files below a folder, sorted; links are left alone.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Text with one character each of some words changed.
fn changed(text: &str, dice: &mut Dice, is_of: fn(&u8) -> bool, to: &[u8]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for word in bytes.chunk_by_mut(|a, b| is_of(a) == is_of(b)) {
        if is_of(&word[0]) && dice.below(WORD_IN) == 0 {
            let place = dice.below(word.len() as u64) as usize;
            word[place] = to[dice.below(to.len() as u64) as usize];
        }
    }
    String::from_utf8(bytes).expect("ASCII was replaced by ASCII")
}
