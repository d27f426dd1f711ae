//! The distribution: see os-release(5).

use crate::{
    collectors::prelude::*,
    source::os_release::{Malformed, OsRelease},
};

metrics! {
    INFO: Gauge "node_os_info" ["build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant", "variant_id", "version", "version_codename", "version_id"], "1, with what os-release says of the distribution.";
    SUPPORT_END: Gauge "node_os_support_end_timestamp_seconds" [], "Unix time of the day on which the distribution's support ends, in seconds.";
    VERSION: Gauge "node_os_version" ["id", "id_like", "name"], "The distribution's version as a number, major.minor.";
}

/// What the labels of `INFO` show, in their order.
const FIELDS: [&str; 12] = [
    "BUILD_ID",
    "ID",
    "ID_LIKE",
    "IMAGE_ID",
    "IMAGE_VERSION",
    "NAME",
    "PRETTY_NAME",
    "VARIANT",
    "VARIANT_ID",
    "VERSION",
    "VERSION_CODENAME",
    "VERSION_ID",
];

pub(super) struct Os {
    /// The first that exists holds.
    files: [File; 2],
}

impl Spec for Os {
    const SUMMARY: &'static str = "Name and version of the distribution, from os-release.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let files = ["etc/os-release", "usr/lib/os-release"];
        Ok(Self { files: files.map(|file| File::new(host.rootfs().join(file))) })
    }
}

impl Collector for Os {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        for file in &mut self.files {
            let Some(text) = file.read_if_present()? else { continue };
            let (release, wrong) = OsRelease::parse(text);
            let pushed = push(&release, out);
            let Some((line, problem)) = wrong.or(pushed.err()) else { return Ok(()) };
            return Err(file.parse_error(line, problem).into());
        }
        Err(Error::Absent("os-release".to_owned()))
    }
}

fn push(it: &OsRelease, out: &mut Families) -> Result<(), Malformed> {
    let fields = FIELDS.map(|field| it.get(field));
    if fields.iter().any(|field| !field.is_empty()) {
        out.push(INFO, fields, true);
    }
    let name = ["ID", "ID_LIKE", "NAME"].map(|field| it.get(field));
    out.push(VERSION, name, it.major_minor().filter(|&version| version > 0.0));
    out.push(SUPPORT_END, (), it.support_end()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
        VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n";

    #[test]
    fn gives_the_distribution() {
        check::<Os>(
            "",
            &[("etc/os-release", DEBIAN), ("usr/lib/os-release", "ID=vendor\n")],
            expect![[r##"
            # HELP node_os_info 1, with what os-release says of the distribution.
            # TYPE node_os_info gauge
            node_os_info{build_id="",id="debian",id_like="",image_id="",image_version="",name="Debian GNU/Linux",pretty_name="Debian GNU/Linux 12 (bookworm)",variant="",variant_id="",version="12 (bookworm)",version_codename="bookworm",version_id="12"} 1
            # HELP node_os_version The distribution's version as a number, major.minor.
            # TYPE node_os_version gauge
            node_os_version{id="debian",id_like="",name="Debian GNU/Linux"} 12
        "##]],
        );
    }

    #[test]
    fn takes_the_vendors_file_where_etc_has_none() {
        let fedora = "ID=fedora\nID_LIKE=\"rhel centos\"\nBUILD_ID=b\nIMAGE_ID=i\nIMAGE_VERSION=7\nVARIANT=\"CoreOS\"\n\
            VARIANT_ID=coreos\nVERSION_ID=40.1.2\nSUPPORT_END=2025-05-13\n";
        check::<Os>(
            "",
            &[("usr/lib/os-release", fedora)],
            expect![[r##"
            # HELP node_os_info 1, with what os-release says of the distribution.
            # TYPE node_os_info gauge
            node_os_info{build_id="b",id="fedora",id_like="rhel centos",image_id="i",image_version="7",name="",pretty_name="",variant="CoreOS",variant_id="coreos",version="",version_codename="",version_id="40.1.2"} 1
            # HELP node_os_support_end_timestamp_seconds Unix time of the day on which the distribution's support ends, in seconds.
            # TYPE node_os_support_end_timestamp_seconds gauge
            node_os_support_end_timestamp_seconds 1.7470944e+09
            # HELP node_os_version The distribution's version as a number, major.minor.
            # TYPE node_os_version gauge
            node_os_version{id="fedora",id_like="rhel centos",name=""} 40.1
        "##]],
        );
    }

    #[test]
    fn a_line_that_is_wrong_costs_itself() {
        check_error::<Os>(
            "",
            &[("etc/os-release", "ID=x\nNAME=\"y\n")],
            expect![[r##"
                # HELP node_os_info 1, with what os-release says of the distribution.
                # TYPE node_os_info gauge
                node_os_info{build_id="",id="x",id_like="",image_id="",image_version="",name="",pretty_name="",variant="",variant_id="",version="",version_codename="",version_id=""} 1
                parse etc/os-release, line 2: a quote has no end"##]],
        );
        check_error::<Os>(
            "",
            &[("etc/os-release", "ID=x\nSUPPORT_END=soon\n")],
            expect![[r##"
                # HELP node_os_info 1, with what os-release says of the distribution.
                # TYPE node_os_info gauge
                node_os_info{build_id="",id="x",id_like="",image_id="",image_version="",name="",pretty_name="",variant="",variant_id="",version="",version_codename="",version_id=""} 1
                parse etc/os-release, line 2: expected a day such as `2028-06-30`"##]],
        );
    }

    #[test]
    fn says_that_there_is_no_file() {
        check_error::<Os>("", &[], expect!["not on this host: os-release"]);
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<Os>(
            "",
            &[("etc/os-release", DEBIAN), ("usr/lib/os-release", "SUPPORT_END=2025-05-13\n")],
        );
    }
}
