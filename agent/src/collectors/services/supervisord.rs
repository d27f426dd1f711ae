//! Processes of supervisord, by its XML-RPC: see "XML-RPC API Documentation" and "Process States" of its manual.

use crate::{
    collectors::prelude::*,
    source::xml_rpc::{Endpoint, each_struct},
};

metrics! {
    UP: Gauge "node_supervisord_up" ["name", "group"], "Whether the process is starting, running or stopping.";
    STATE: Gauge "node_supervisord_state" ["name", "group"], "State of the process by supervisord's number: 0 stopped, 10 starting, 20 running, 30 backing off, 40 stopping, 100 exited, 200 fatal, 1000 unknown.";
    EXIT_STATUS: Gauge "node_supervisord_exit_status" ["name", "group"], "Exit status of the process when it last ended; 0 while it runs.";
    START_TIME: Counter "node_supervisord_start_time_seconds" ["name", "group"], "Unix time at which the process was started; only of one that is up.";
}

section! {
    pub(super) struct Config {
        /// Where supervisord's XML-RPC is: `http://[user:password@]host:port/RPC2`, or `unix:///path/of/its.sock`.
        url: String = "http://localhost:9001/RPC2",
    }
}

fn no_address(url: &str) -> Fault {
    Fault {
        key: "url",
        message: format!("`{url}` is no address of supervisord"),
        remedy: "write http://host:port/path or unix:///path".to_owned(),
    }
}

/// STARTING, RUNNING, STOPPING.
const UP_STATES: [i64; 3] = [10, 20, 40];

pub(super) struct Supervisord {
    endpoint: Endpoint,
}

impl Spec for Supervisord {
    const SUMMARY: &'static str = "Processes that supervisord looks after, by its XML-RPC.";
    const ENABLED: bool = false;
    const CONNECTS: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn faults(config: &Config) -> Vec<Fault> {
        if Endpoint::parse(&config.url).is_some() { Vec::new() } else { vec![no_address(&config.url)] }
    }

    fn open(config: Config, _: &Host) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(&config.url).ok_or_else(|| no_address(&config.url))?;
        Ok(Self { endpoint })
    }
}

impl Collector for Supervisord {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let answer = self.endpoint.call("supervisor.getAllProcessInfo").map_err(wrong)?;
        let mut problem = None;
        each_struct(&answer, |member| {
            let number = |name: &str| member(name).and_then(|it| it.parse::<i64>().ok());
            let (Some(name), Some(group), Some(state)) = (member("name"), member("group"), number("state"))
            else {
                problem = Some("a process without name, group or state".to_owned());
                return;
            };
            let labels = [&name, &group];
            let is_up = UP_STATES.contains(&state);
            out.push(STATE, labels, state);
            out.push(EXIT_STATUS, labels, number("exitstatus"));
            out.push(UP, labels, is_up);
            out.push(START_TIME, labels, number("start").filter(|_| is_up));
        })
        .map_err(wrong)?;
        problem.map_or(Ok(()), |problem| Err(wrong(problem)))
    }
}

fn wrong(problem: String) -> Error {
    source::Error::Asked { server: "supervisord".to_owned(), problem }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        net::TcpListener,
        os::unix::net::UnixListener,
        thread,
    };

    const PROCESSES: &str = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n\
        <value><struct>\n<member>\n<name>name</name>\n<value><string>a &amp; b</string></value>\n</member>\n\
        <member><name>group</name><value>web</value></member><member><name>start</name><value><int>1700000000</int>\
        </value></member><member><name>state</name><value><int>20</int></value></member><member><name>exitstatus\
        </name><value><int>0</int></value></member></struct></value>\n\
        <value><struct><member><name>name</name><value><string>c</string></value></member><member><name>group</name>\
        <value><string>c</string></value></member><member><name>state</name><value><int>100</int></value></member>\
        <member><name>start</name><value><int>1600000000</int></value></member><member><name>exitstatus</name><value>\
        <int>3</int></value></member></struct></value>\n</data></array></value>\n</param>\n</params>\n</methodResponse>";

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.0 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// Reads a request, checks it and answers.
    fn talk(stream: &mut (impl std::io::Read + std::io::Write), answer: &str) -> String {
        let mut head = String::new();
        let mut reader = BufReader::new(&mut *stream);
        while !head.ends_with("\r\n\r\n") {
            reader.read_line(&mut head).unwrap();
        }
        let length = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        assert!(String::from_utf8(body).unwrap().contains("<methodName>supervisor.getAllProcessInfo<"));
        stream.write_all(answer.as_bytes()).unwrap();
        head
    }

    fn scrape(url: &str) -> String {
        let host = TestHost::new(&[]);
        let mut out = Families::new(METRICS);
        let result =
            host.open::<Supervisord>(&format!("url = {url:?}")).and_then(|mut it| it.collect(&mut out));
        let text = host.render(&out);
        let samples: Vec<_> = text.lines().filter(|it| !it.starts_with('#')).collect();
        samples.join("\n") + &result.err().map_or_else(String::new, |error| format!("\n{error}"))
    }

    /// What is shown for an answer, and how it was asked for.
    fn shown(answer: String) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || talk(&mut listener.accept().unwrap().0, &answer));
        let shown = scrape(&format!("http://user:pass@127.0.0.1:{port}/RPC2"));
        (shown, server.join().unwrap())
    }

    #[test]
    fn shows_processes() {
        let (shown, head) = shown(answer("200 OK", PROCESSES));
        expect![[r#"
            node_supervisord_exit_status{group="c",name="c"} 3
            node_supervisord_exit_status{group="web",name="a & b"} 0
            node_supervisord_start_time_seconds{group="web",name="a & b"} 1.7e+09
            node_supervisord_state{group="c",name="c"} 100
            node_supervisord_state{group="web",name="a & b"} 20
            node_supervisord_up{group="c",name="c"} 0
            node_supervisord_up{group="web",name="a & b"} 1"#]]
        .assert_eq(&shown);
        assert!(head.starts_with("POST /RPC2 HTTP/1.0\r\n"), "{head}");
        assert!(head.contains("\r\nAuthorization: Basic dXNlcjpwYXNz\r\n"), "{head}");
    }

    #[test]
    fn asks_by_a_unix_socket() {
        let host = TestHost::new(&[]);
        let path = host.path().join("supervisor.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let text = answer("200 OK", PROCESSES);
        let server = thread::spawn(move || talk(&mut listener.accept().unwrap().0, &text));
        assert!(scrape(&format!("unix://{}", path.display())).contains("node_supervisord_up"));
        server.join().unwrap();
    }

    #[test]
    fn says_what_is_wrong() {
        let fault = "<methodResponse><fault><value><struct><member><name>faultString</name><value>SHUTDOWN_STATE\
            </value></member></struct></value></fault></methodResponse>";
        let nameless = PROCESSES.replace("<name>group</name><value>web", "<name>grape</name><value>web");
        let answers = [
            answer("401 Unauthorized", ""),
            answer("200 OK", fault),
            answer("200 OK", "<methodResponse/>"),
            answer("200 OK", "no XML"),
            answer("200 OK", &nameless),
            "noise".to_owned(),
        ];
        let wrong = answers.map(|answer| shown(answer).0);
        expect![[r#"

            ask supervisord: the answer is `HTTP/1.0 401 Unauthorized`
            --
            ask supervisord: faultString SHUTDOWN_STATE
            --
            ask supervisord: the answer is no array
            --
            ask supervisord: the answer is not XML: unknown token at 1:1
            --node_supervisord_exit_status{group="c",name="c"} 3
            node_supervisord_state{group="c",name="c"} 100
            node_supervisord_up{group="c",name="c"} 0
            ask supervisord: a process without name, group or state
            --
            ask supervisord: the answer is not HTTP"#]]
        .assert_eq(&wrong.join("\n--"));
        assert_eq!(scrape("unix:///nowhere"), "\nask supervisord: No such file or directory (os error 2)");
        assert_eq!(scrape("https://x"), "\n`url`: `https://x` is no address of supervisord");
    }
}
