//! `/proc/mdstat`: the state of software RAID. See md(4) and `md_seq_show` in the kernel's drivers/md/md.c. The procfs
//! crate does not have it.

use crate::source::{count as parse_count, lines, number as parse_number, words};

/// What the file says of one array; `None` is for what it does not say.
#[derive(Debug, PartialEq, Eq)]
pub struct Array<'a> {
    pub name: &'a [u8],
    pub activity: Activity,
    pub n_active: Option<u64>,
    /// How many the array has when it is whole.
    pub n_required: Option<u64>,
    pub n_failed: usize,
    pub n_spare: usize,
    /// Size in blocks of 1 KiB.
    pub n_blocks: Option<u64>,
    /// How far a resync, recovery or check came; all when there is none.
    pub n_synced: Option<u64>,
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

/// All arrays, and the number of the first line that is not as documented. What that should have said is left out.
#[must_use]
pub fn parse(text: &[u8]) -> (Vec<Array<'_>>, Option<usize>) {
    let mut arrays = Vec::new();
    let mut wrong = None;
    let mut lines = lines(text).peekable();
    while let Some((number, line)) = lines.next() {
        let is_array = !line.trim_ascii().is_empty() && line[0] != b' ';
        // Drivers of other makers write `key=value`.
        if !is_array
            || line.starts_with(b"Personalities")
            || line.starts_with(b"unused")
            || line.contains(&b'=')
        {
            continue;
        }
        let Some(mut array) = parse_heading(line) else {
            wrong = wrong.or(Some(number));
            continue;
        };
        // An array without disks has it all on one line.
        let mut status = line;
        // The size comes first.
        if let Some((number, line)) = lines.peek().filter(|(_, line)| is_of_array(line))
            && !is_size(line)
            && !contains(line, b"bitmap")
        {
            wrong = wrong.or(Some(*number));
        }
        while let Some((number, line)) = lines.next_if(|(_, line)| is_of_array(line)) {
            if is_size(line) {
                status = line;
                let n_blocks = words(line).next().and_then(parse_count);
                array.n_blocks = n_blocks.flatten();
                array.n_synced = array.n_blocks;
                if n_blocks.is_none() {
                    wrong = wrong.or(Some(number));
                }
            } else if !contains(line, b"bitmap") && note_progress(line, &mut array).is_none() {
                wrong = wrong.or(Some(number));
            }
        }
        if array.n_required.is_none() {
            match words(status).find_map(required_and_active) {
                Some((required, active)) => {
                    (array.n_required, array.n_active) = (Some(required), Some(active));
                }
                None => wrong = wrong.or(Some(number)),
            }
        }
        arrays.push(array);
    }
    (arrays, wrong)
}

/// Whether a line that follows an array's heading belongs to it.
fn is_of_array(line: &[u8]) -> bool {
    !line.trim_ascii().is_empty() && parse_heading(line).is_none() && !line.starts_with(b"unused")
}

/// Whether it is `195310144 blocks super 1.2 [2/1] [U_]`.
fn is_size(line: &[u8]) -> bool {
    words(line).nth(1) == Some(b"blocks")
}

/// From `md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]`.
fn parse_heading(line: &[u8]) -> Option<Array<'_>> {
    let mut fields = words(line);
    let name = fields.next()?;
    fields.next().filter(|it| *it == b":")?;
    let activity = match fields.next()? {
        b"active" => Activity::Active,
        b"inactive" => Activity::Inactive,
        _ => Activity::Other,
    };
    // Without redundancy there is no `[2/1]`: the array has all of its disks.
    let n_disks = if [&b"raid0"[..], b"linear", b"faulty"].iter().any(|it| contains(line, it)) {
        Some(count(line, b"[") as u64)
    } else {
        (activity == Activity::Inactive).then_some(0)
    };
    Some(Array {
        name,
        activity,
        n_active: n_disks,
        n_required: n_disks,
        n_failed: count(line, b"(F)"),
        n_spare: count(line, b"(S)"),
        n_blocks: None,
        n_synced: None,
    })
}

/// From `[2/1]`.
fn required_and_active(word: &[u8]) -> Option<(u64, u64)> {
    let word = word.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (required, active) = split_once(word, b'/')?;
    Some((parse_number(required)?, parse_number(active)?))
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
    // Another node of the cluster does it, or it has not begun.
    let waits = [&b"PENDING"[..], b"DELAYED", b"REMOTE"].iter().any(|it| contains(line, it));
    array.n_synced = if waits { Some(0) } else { words(line).find_map(synced) };
    array.n_synced.map(drop)
}

/// From `(16775552/195310144)`.
fn synced(word: &[u8]) -> Option<u64> {
    let (synced, _) = split_once(word.strip_prefix(b"(")?, b'/')?;
    parse_number(synced)
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
