//! What of the config keeps the server from starting on this host, found without starting it.

use super::{
    access::{self, AccessError, Origin},
    address::Address,
};
use crate::config::{Config, Diagnostic, Web};
use std::path::Path;

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
    let mut seen: Vec<Address> = Vec::new();
    let fault = |text: &String| {
        let (problem, help) = match Address::parse(text) {
            Err(problem) if problem.starts_with("lookup ") && !problem.starts_with("lookup tcp/") => {
                (problem, "name a host that this one can resolve, or write an address")
            }
            Err(problem) => (
                problem,
                "write `:9100`, `127.0.0.1:9100`, `[::1]:9100` or `unix:/run/hostlens/hostlens.sock`",
            ),
            Ok(address) if seen.iter().any(|it| it.excludes(&address)) => {
                (format!("`{text}` is served by an address before it"), "take one of them out")
            }
            Ok(Address::Unix(path)) if !folder_of(&path).is_dir() => (
                format!("`{text}` is in no folder that is there"),
                "make the folder, as `RuntimeDirectory=` of systemd does, or name another",
            ),
            Ok(address) => {
                seen.push(address);
                return None;
            }
        };
        Some(config.error(KEY, problem).help(help))
    };
    web.listen_address.iter().filter_map(fault).collect()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

/// What is wrong with certificates, passwords, headers or the web config file.
#[must_use]
pub fn of_access(config: &Config) -> Vec<Diagnostic> {
    // A web config file has lines of its own, which its errors name.
    let is_file = !config.section::<Web>().config_file.as_os_str().is_empty();
    let fault = |error: AccessError| {
        let (key, remedy) = match is_file {
            true => ("web.config_file", "name a file that `web.config.file` of Prometheus' exporters takes"),
            false => (error.key, error.remedy),
        };
        let fault = config.error(key, &error);
        if remedy.is_empty() { fault } else { fault.help(remedy) }
    };
    access::faults(&Origin::new(config)).into_iter().map(fault).collect()
}

/// What of the web config file is left out.
#[must_use]
pub fn remarks(config: &Config) -> Vec<Diagnostic> {
    access::warnings(&Origin::new(config)).into_iter().map(Diagnostic::warning).collect()
}
