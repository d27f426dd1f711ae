//! `/proc/sys/fs/file-nr`: see proc_sys_fs(5).

use crate::collectors::prelude::*;

metrics! {
    |it: [Option<u64>; 2]| [];
    Gauge "node_filefd_allocated" = it[0], "Open files of all processes.";
    Gauge "node_filefd_maximum" = it[1], "Files that all processes may have open together.";
}

pub(super) struct Filefd(File);

impl Spec for Filefd {
    const SUMMARY: &'static str = "Open files of the whole host and their limit, from /proc/sys/fs/file-nr.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("sys/fs/file-nr").small()))
    }
}

impl Collector for Filefd {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        Ok(self.0.parse("three numbers with tabs between", |text| {
            let numbers = parse(text);
            push_rows(numbers, (), out);
            numbers.iter().all(Option::is_some).then_some(()).ok_or(1)
        })?)
    }
}

/// Allocated and maximum; the number between them is 0 since Linux 2.6.
fn parse(text: &[u8]) -> [Option<u64>; 2] {
    let fields: Vec<_> = text.trim_ascii().split(|&byte| byte == b'\t').collect();
    match fields[..] {
        [allocated, _, maximum] => [allocated, maximum].map(source::number),
        _ => [None; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_open_files_and_their_limit() {
        let files = [("proc/sys/fs/file-nr", "1024\t0\t9223372036854775807\n")];
        check::<Filefd>(
            "",
            &files,
            expect![[r#"
            # HELP node_filefd_allocated Open files of all processes.
            # TYPE node_filefd_allocated gauge
            node_filefd_allocated 1024
            # HELP node_filefd_maximum Files that all processes may have open together.
            # TYPE node_filefd_maximum gauge
            node_filefd_maximum 9.223372036854776e+18
        "#]],
        );
    }

    #[test]
    fn refuses_what_is_not_three_numbers() {
        for text in ["", "1024\t0\n", "1024 0 1631329\n", "x\t0\ty\n"] {
            let broken =
                expect!["parse proc/sys/fs/file-nr, line 1: expected three numbers with tabs between"];
            check_error::<Filefd>("", &[("proc/sys/fs/file-nr", text)], broken);
        }
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Filefd>(
            "",
            &[],
            expect!["read proc/sys/fs/file-nr: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<Filefd>("", &[("proc/sys/fs/file-nr", "1024\t0\t1631329\n")]);
    }
}
