//! kstats: figures of the Solaris Porting Layer, in files below `/proc/spl/kstat`. Their form is that of
//! `kstat_seq_show` in OpenZFS' module/os/linux/spl/spl-kstat.c: a line of numbers, a heading, then name, type and value
//! on each line.

use crate::source::{Error, Folder, lines, number as number_of, words};

/// The whole file; `None` when it is not there, or has no value now.
///
/// # Errors
/// When it is there and cannot be read.
pub fn text<'a>(folder: &Folder, name: &str, buffer: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, Error> {
    folder.text(name, buffer).or_else(|error| error.unless_no_value().map(|()| None))
}

/// Hands the text of the file `name` to `push`, with name and value of each number in it. Types are those of
/// `KSTAT_DATA_*`: 3 is a number with a sign, 4 one without; what is neither is not shown.
///
/// # Errors
/// When it cannot be read, and for the first line that is not as documented; the others are handed over all the same.
pub fn read(
    folder: &Folder,
    name: &str,
    buffer: &mut Vec<u8>,
    mut push: impl FnMut(&[u8], &[u8], f64),
) -> Result<(), Error> {
    let Some(text) = text(folder, name, buffer)?.filter(|it| !it.is_empty()) else { return Ok(()) };
    let mut has_heading = false;
    let mut wrong = None;
    // The first line is about the kstat itself.
    for (number, line) in lines(text).skip(1) {
        let mut words = words(line);
        let (Some(name), Some(kind)) = (words.next(), words.next()) else { continue };
        let value = words.next().unwrap_or_default();
        let value = match kind {
            b"type" => {
                has_heading = true;
                continue;
            }
            b"3" => number_of::<i64>(value).map(|it| it as f64),
            b"4" => number_of::<u64>(value).map(|it| it as f64),
            _ => continue,
        };
        match value {
            Some(value) => push(text, name, value),
            None => wrong = wrong.or(Some(number)),
        }
    }
    if !has_heading {
        wrong = Some(1);
    }
    let expected = "expected a heading `name type data`, and numbers below it";
    wrong.map_or(Ok(()), |line| Err(folder.parse_error(name, line, expected)))
}
