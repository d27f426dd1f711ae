//! What of the config keeps the server from starting on this host, found without starting it.

use super::{
    access::{self, Origin},
    address::Address,
};
use crate::config::{Config, Diagnostic, Web};

/// Everything that is wrong with where, and for whom, `config` serves.
#[must_use]
pub fn faults(config: &Config) -> Vec<Diagnostic> {
    let mut faults = of_addresses(config);
    faults.extend(of_access(config));
    faults
}

fn of_addresses(config: &Config) -> Vec<Diagnostic> {
    const KEY: &str = "web.listen_address";
    let web = config.section::<Web>();
    if web.systemd_socket {
        return Vec::new();
    }
    if web.listen_address.is_empty() {
        return vec![config.error(KEY, "no address to serve on").help("without the key it is `:9100`")];
    }
    let fault = |problem| {
        let error = config.error(KEY, problem);
        error.help("write `:9100`, `127.0.0.1:9100`, `[::1]:9100` or `unix:/run/hostlens.sock`")
    };
    web.listen_address.iter().filter_map(|text| Address::parse(text).err()).map(fault).collect()
}

/// The first thing that is wrong with certificates, passwords, headers or the web config file.
#[must_use]
pub fn of_access(config: &Config) -> Option<Diagnostic> {
    let error = access::check(&Origin::new(config)).err()?;
    // A web config file has lines of its own, which its errors name.
    let is_file = !config.section::<Web>().config_file.as_os_str().is_empty();
    let (key, remedy) = if is_file { ("web.config_file", "") } else { (error.key, error.remedy) };
    let fault = config.error(key, &error);
    Some(if remedy.is_empty() { fault } else { fault.help(remedy) })
}
