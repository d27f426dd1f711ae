//! Metrics that others write into files.
super::collectors! { "files": textfile::Textfile }
