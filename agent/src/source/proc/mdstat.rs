//! `/proc/mdstat`: the state of software RAID. See md(4) and `md_seq_show` in the kernel's drivers/md/md.c. The procfs
//! crate does not have it.

use crate::source::{lines, number, words};

/// What the file says of one array.
#[derive(Debug, PartialEq, Eq)]
pub struct Array<'a> {
    pub name: &'a [u8],
    pub activity: Activity,
    pub n_active: u64,
    /// How many the array has when it is whole.
    pub n_required: u64,
    pub n_failed: usize,
    pub n_spare: usize,
    /// Size in blocks of 1 KiB.
    pub n_blocks: u64,
    /// How far a resync, recovery or check came; all when there is none.
    pub n_synced: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    Active,
    Inactive,
    Recovering,
    Resyncing,
    Checking,
    Reshaping,
    /// A word that is not known, such as `broken`.
    Other,
}

/// On a line that is not as documented, its number.
///
/// # Errors
/// The number of the line that is not as documented.
pub fn parse(text: &[u8]) -> Result<Vec<Array<'_>>, usize> {
    let mut arrays = Vec::new();
    let mut lines = lines(text).peekable();
    while let Some((number, line)) = lines.next() {
        let is_array = !line.trim_ascii().is_empty() && line[0] != b' ';
        if !is_array || line.starts_with(b"Personalities") || line.starts_with(b"unused") {
            continue;
        }
        let (_, status) = lines.next().ok_or(number)?;
        let mut array = parse_array(line, status).ok_or(number)?;
        while let Some((number, line)) = lines.next_if(|(_, line)| line.starts_with(b" ")) {
            if !contains(line, b"bitmap") {
                note_progress(line, &mut array).ok_or(number)?;
            }
        }
        arrays.push(array);
    }
    Ok(arrays)
}

/// From `md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]` and `195310144 blocks [2/1] [U_]`.
fn parse_array<'a>(line: &'a [u8], status: &[u8]) -> Option<Array<'a>> {
    let mut fields = words(line);
    let name = fields.next()?;
    let activity = match fields.nth(1)? {
        b"active" => Activity::Active,
        b"inactive" => Activity::Inactive,
        _ => Activity::Other,
    };
    let n_blocks = number(words(status).next()?)?;
    let (n_required, n_active) = if contains(line, b"raid0") || contains(line, b"linear") {
        // Without redundancy there is no `[2/1]`: the array has all of its disks.
        let n_disks = count(line, b"[") as u64;
        (n_disks, n_disks)
    } else if activity == Activity::Inactive {
        (0, 0)
    } else {
        words(status).find_map(required_and_active)?
    };
    let (n_failed, n_spare) = (count(line, b"(F)"), count(line, b"(S)"));
    Some(Array { name, activity, n_active, n_required, n_failed, n_spare, n_blocks, n_synced: n_blocks })
}

/// From `[2/1]`.
fn required_and_active(word: &[u8]) -> Option<(u64, u64)> {
    let word = word.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (required, active) = split_once(word, b'/')?;
    Some((number(required)?, number(active)?))
}

/// From `[=>....]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec` or `resync=DELAYED`.
fn note_progress(line: &[u8], array: &mut Array<'_>) -> Option<()> {
    const ACTIVITIES: [(&[u8], Activity); 4] = [
        (b"recovery", Activity::Recovering),
        (b"reshape", Activity::Reshaping),
        (b"check", Activity::Checking),
        (b"resync", Activity::Resyncing),
    ];
    let Some((_, activity)) = ACTIVITIES.iter().find(|(word, _)| contains(line, word)) else {
        return Some(());
    };
    array.activity = *activity;
    let waits = contains(line, b"PENDING") || contains(line, b"DELAYED");
    array.n_synced = if waits { 0 } else { words(line).find_map(synced)? };
    Some(())
}

/// From `(16775552/195310144)`.
fn synced(word: &[u8]) -> Option<u64> {
    let (synced, _) = split_once(word.strip_prefix(b"(")?, b'/')?;
    number(synced)
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|&it| it == at)?;
    Some((&text[..position], &text[position + 1..]))
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    count(line, part) > 0
}

fn count(line: &[u8], part: &[u8]) -> usize {
    line.windows(part.len()).filter(|it| *it == part).count()
}
