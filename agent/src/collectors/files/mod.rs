//! Metrics that others write into files.

mod textfile;

super::register! {
    "files":
    textfile::Textfile,
}
