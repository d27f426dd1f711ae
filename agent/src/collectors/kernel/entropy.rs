//! `/proc/sys/kernel/random`: see random(4). Since Linux 5.18 both values are 256 once the pool is filled.

use crate::collectors::prelude::*;

metrics! {
    AVAILABLE: Gauge "node_entropy_available_bits" [], "Bits of entropy that the kernel has gathered.";
    POOL_SIZE: Gauge "node_entropy_pool_size_bits" [], "Bits of entropy that the kernel gathers at most.";
}

pub(super) struct Entropy {
    available: File,
    pool_size: File,
}

impl Spec for Entropy {
    const SUMMARY: &'static str = "Entropy of the kernel's random numbers, from /proc/sys/kernel/random.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let file = |name: &str| host.proc(&format!("sys/kernel/random/{name}")).small();
        Ok(Self { available: file("entropy_avail"), pool_size: file("poolsize") })
    }
}

impl Collector for Entropy {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        let mut is_absent = true;
        for (file, family) in [(&mut self.available, AVAILABLE), (&mut self.pool_size, POOL_SIZE)] {
            let bits =
                file.parse("a number of bits", |text| source::number::<u64>(text.trim_ascii()).ok_or(1));
            is_absent &= bits.as_ref().is_err_and(source::Error::is_not_found);
            out.push(family, (), errors.value(bits.map(Some)));
        }
        if is_absent {
            return Err(Error::Absent("entropy of the kernel's random numbers".to_owned()));
        }
        Ok(errors.end()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVAILABLE: (&str, &str) = ("proc/sys/kernel/random/entropy_avail", "1337\n");
    const POOL_SIZE: (&str, &str) = ("proc/sys/kernel/random/poolsize", "4096\n");

    #[test]
    fn gives_bits_and_their_limit() {
        check::<Entropy>(
            "",
            &[AVAILABLE, POOL_SIZE],
            expect![[r#"
            # HELP node_entropy_available_bits Bits of entropy that the kernel has gathered.
            # TYPE node_entropy_available_bits gauge
            node_entropy_available_bits 1337
            # HELP node_entropy_pool_size_bits Bits of entropy that the kernel gathers at most.
            # TYPE node_entropy_pool_size_bits gauge
            node_entropy_pool_size_bits 4096
        "#]],
        );
    }

    #[test]
    fn refuses_what_is_no_number() {
        check_error::<Entropy>(
            "",
            &[AVAILABLE, (POOL_SIZE.0, "")],
            expect![[r#"
            # HELP node_entropy_available_bits Bits of entropy that the kernel has gathered.
            # TYPE node_entropy_available_bits gauge
            node_entropy_available_bits 1337
            parse proc/sys/kernel/random/poolsize, line 1: expected a number of bits"#]],
        );
    }

    #[test]
    fn a_kernel_may_lack_one_of_them() {
        check::<Entropy>(
            "",
            &[POOL_SIZE],
            expect![[r#"
            # HELP node_entropy_pool_size_bits Bits of entropy that the kernel gathers at most.
            # TYPE node_entropy_pool_size_bits gauge
            node_entropy_pool_size_bits 4096
        "#]],
        );
        check_error::<Entropy>("", &[], expect!["not on this host: entropy of the kernel's random numbers"]);
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<Entropy>("", &[AVAILABLE, POOL_SIZE]);
    }
}
