//! `/proc/sys`: the settings of the kernel that the config names. See sysctl(8) and Documentation/admin-guide/sysctl.

use crate::{collectors::prelude::*, metric::legal_name, source::prefixed_number};
use std::path::PathBuf;

metrics! {
    VALUE: Untyped "node_sysctl_*" ["index"], "Value of the kernel setting that the metric is named after, in the kernel's unit; index counts the values of one that has several.";
    INFO: Gauge "node_sysctl_info" ["name", "value", "index"], "1 for each word of a kernel setting that is text.";
}

section! {
    pub(super) struct Config {
        /// Settings to show as numbers: `kernel.threads-max`, or `fs.file-nr:total,current,max` with a name for each of
        /// several numbers.
        include: Vec<String> = Vec::<String>::new(),
        /// Settings to show as text.
        include_info: Vec<String> = Vec::<String>::new(),
    }
}

pub(super) struct Sysctl {
    folder: PathBuf,
    numbers: Vec<Setting>,
    texts: Vec<Setting>,
}

/// One setting that is shown.
struct Setting {
    /// As the user writes it.
    name: String,
    /// Its file below the folder.
    file: String,
    /// What its family is named after.
    family: String,
    /// What the families of its numbers are named after, where the user gives each a name.
    families: Vec<String>,
}

impl Spec for Sysctl {
    const SUMMARY: &'static str = "Settings of the kernel that the config names, from /proc/sys.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let parse = |texts: &[String]| texts.iter().map(|text| Setting::parse(text)).collect();
        let (numbers, texts) = (parse(&config.include), parse(&config.include_info));
        Ok(Self { folder: host.procfs().join("sys"), numbers, texts })
    }
}

impl Collector for Sysctl {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(folder) = Folder::open(&self.folder)? else {
            return Err(Error::Absent(format!("{} does not exist", self.folder.display())));
        };
        let errors = FirstError::default();
        let numbers = self.numbers.iter().map(|it| (it, true));
        let texts = self.texts.iter().map(|it| (it, false));
        for (setting, is_number) in numbers.chain(texts) {
            let Some(value) = errors.ok(folder.required_value(&setting.file)) else { continue };
            let pushed = match is_number {
                true => setting.push_numbers(&value, out),
                false => setting.push_words(&value, out),
            };
            if let Err(problem) = pushed {
                errors.note(folder.parse_error(&setting.file, 1, problem));
            }
        }
        Ok(errors.end()?)
    }
}

impl Setting {
    /// `fs.file-nr` or `fs.file-nr:total,current,max`
    fn parse(text: &str) -> Self {
        let (name, keys) = text.split_once(':').unwrap_or((text, ""));
        let family = legal_name(name);
        let keys = keys.split(',').filter(|_| text.contains(':'));
        let families = keys.map(|key| format!("{family}_{}", legal_name(key))).collect();
        Self { name: name.to_owned(), file: name.replace('.', "/"), family, families }
    }

    fn push_numbers(&self, text: &[u8], out: &mut Families) -> Result<(), String> {
        let numbers: Option<Vec<_>> = source::words(text).map(prefixed_number).collect();
        let numbers = numbers.ok_or("expected numbers")?;
        self.check_count(numbers.len())?;
        for (index, &number) in numbers.iter().enumerate() {
            let (family, index) = match self.families.get(index) {
                Some(family) => (family, None),
                None => (&self.family, (numbers.len() > 1).then(|| index.to_string())),
            };
            let labels: Vec<_> = index.iter().map(|index| ("index", index.as_str())).collect();
            out.push_named_labelled(VALUE, family, &labels, number);
        }
        Ok(())
    }

    fn push_words(&self, text: &[u8], out: &mut Families) -> Result<(), String> {
        self.check_count(source::words(text).count())?;
        if !self.families.is_empty() {
            return Err("only numbers can have names".to_owned());
        }
        for (index, word) in source::words(text).enumerate() {
            out.push(INFO, (&self.name, word, index), 1_u64);
        }
        Ok(())
    }

    fn check_count(&self, n_values: usize) -> Result<(), String> {
        match (n_values, self.families.len()) {
            (0, _) => Err("expected a value".to_owned()),
            (_, 0) => Ok(()),
            (1, _) => Err("expected a value for each name, found one, which takes no name".to_owned()),
            (n_values, n_names) if n_values == n_names => Ok(()),
            (n_values, n_names) => {
                Err(format!("expected a value for each of {n_names} names, found {n_values}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[(&str, &str)] = &[
        ("proc/sys/fs/file-nr", "1024\t0\t1631329\n"),
        ("proc/sys/kernel/threads-max", "7801\n"),
        ("proc/sys/kernel/seccomp/actions_avail", "kill_process kill_thread trap\n"),
    ];
    const SECTION: &str = r#"
        include = ["kernel.threads-max", "fs.file-nr", "fs.file-nr:total,current,max"]
        include_info = ["kernel.seccomp.actions_avail"]
    "#;

    #[test]
    fn shows_what_the_config_names() {
        check::<Sysctl>(
            SECTION,
            HOST,
            expect![[r##"
            # HELP node_sysctl_fs_file_nr Value of the kernel setting that the metric is named after, in the kernel's unit; index counts the values of one that has several.
            # TYPE node_sysctl_fs_file_nr untyped
            node_sysctl_fs_file_nr{index="0"} 1024
            node_sysctl_fs_file_nr{index="1"} 0
            node_sysctl_fs_file_nr{index="2"} 1.631329e+06
            # HELP node_sysctl_fs_file_nr_current Value of the kernel setting that the metric is named after, in the kernel's unit; index counts the values of one that has several.
            # TYPE node_sysctl_fs_file_nr_current untyped
            node_sysctl_fs_file_nr_current 0
            # HELP node_sysctl_fs_file_nr_max Value of the kernel setting that the metric is named after, in the kernel's unit; index counts the values of one that has several.
            # TYPE node_sysctl_fs_file_nr_max untyped
            node_sysctl_fs_file_nr_max 1.631329e+06
            # HELP node_sysctl_fs_file_nr_total Value of the kernel setting that the metric is named after, in the kernel's unit; index counts the values of one that has several.
            # TYPE node_sysctl_fs_file_nr_total untyped
            node_sysctl_fs_file_nr_total 1024
            # HELP node_sysctl_info 1 for each word of a kernel setting that is text.
            # TYPE node_sysctl_info gauge
            node_sysctl_info{index="0",name="kernel.seccomp.actions_avail",value="kill_process"} 1
            node_sysctl_info{index="1",name="kernel.seccomp.actions_avail",value="kill_thread"} 1
            node_sysctl_info{index="2",name="kernel.seccomp.actions_avail",value="trap"} 1
            # HELP node_sysctl_kernel_threads_max Value of the kernel setting that the metric is named after, in the kernel's unit; index counts the values of one that has several.
            # TYPE node_sysctl_kernel_threads_max untyped
            node_sysctl_kernel_threads_max 7801
        "##]],
        );
    }

    #[test]
    fn shows_nothing_unless_told() {
        check::<Sysctl>("", &[("proc/sys/", "")], expect![[""]]);
    }

    #[test]
    fn refuses_what_does_not_fit_the_config() {
        check_error::<Sysctl>(
            r#"include = ["fs.file-nr:total,max"]"#,
            HOST,
            expect!["parse proc/sys/fs/file-nr, line 1: expected a value for each of 2 names, found 3"],
        );
        check_error::<Sysctl>(
            r#"include = ["kernel.threads-max:max"]"#,
            HOST,
            expect![
                "parse proc/sys/kernel/threads-max, line 1: expected a value for each name, found one, which takes no name"
            ],
        );
        check_error::<Sysctl>(
            r#"include = ["kernel.seccomp.actions_avail"]"#,
            HOST,
            expect!["parse proc/sys/kernel/seccomp/actions_avail, line 1: expected numbers"],
        );
        check_error::<Sysctl>(
            r#"include_info = ["fs.file-nr:a,b,c"]"#,
            HOST,
            expect!["parse proc/sys/fs/file-nr, line 1: only numbers can have names"],
        );
        check_error::<Sysctl>(
            r#"include = ["net.empty"]"#,
            &[("proc/sys/net/empty", "\n")],
            expect!["parse proc/sys/net/empty, line 1: expected a value"],
        );
    }

    #[test]
    fn a_setting_that_the_kernel_lacks_costs_itself() {
        check_error::<Sysctl>(
            r#"include = ["kernel.turbo", "kernel.threads-max"]"#,
            HOST,
            expect![[r#"
                # HELP node_sysctl_kernel_threads_max Value of the kernel setting that the metric is named after, in the kernel's unit; index counts the values of one that has several.
                # TYPE node_sysctl_kernel_threads_max untyped
                node_sysctl_kernel_threads_max 7801
                read proc/sys/kernel/turbo: No such file or directory (os error 2)"#]],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Sysctl>(SECTION, HOST);
    }
}
