//! `hostlens top`: in a terminal what the page at `/` shows, of an agent that runs, or of this process itself.

mod chart;
mod source;
mod theme;
mod units;
mod view;

use crate::{
    collectors,
    config::Config,
    http::{self, App, Shutdown, Status},
    opening,
    own::Own,
    recorder::{Group, Recorded},
    reload,
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};
use rustix::termios::isatty;
use source::{Agent, Source};
use std::{
    io::{self, stdin, stdout},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use theme::Theme;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use view::{Next, View};

/// From one look at the recorder to the next; what else there is, is asked for more seldom.
const STEP: Duration = Duration::from_secs(1);
const N_STEPS: u32 = 5;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "top needs a terminal to draw on and to read keys from; for programs there is /api/v1/recorder of an agent"
    )]
    NoTerminal,
    #[error("top cannot draw on a terminal of type `dumb`: set TERM to what it is, such as xterm-256color")]
    DumbTerminal,
    #[error("{0}")]
    Source(String),
    #[error("open collectors: {0}")]
    Open(#[from] opening::Error),
    #[error("use the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Something that happened.
enum News {
    Input(io::Result<Event>),
    Status(Result<Status, source::Error>),
    Recorded(Result<Recorded, source::Error>),
    Groups(Result<Vec<Group>, source::Error>),
    End,
}

/// Shows the agent at `url`; without one, that of `config`, and where none runs, what this process finds itself. To be
/// called by the process' only thread.
///
/// # Errors
/// Where there is no terminal, or nobody at `url`.
pub fn top(config: Config, url: Option<&str>) -> Result<(), Error> {
    if !isatty(stdin()) || !isatty(stdout()) {
        return Err(Error::NoTerminal);
    }
    if std::env::var_os("TERM").is_some_and(|it| it == "dumb") {
        return Err(Error::DumbTerminal);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answers = |agent: Agent| {
        let source = Source::Agent(agent);
        runtime.block_on(source.status()).map(|_| source).map_err(|error| error.to_string())
    };
    let (source, origin) = match url {
        Some(url) => {
            let agent = Agent::parse(url).map_err(|error| error.to_string());
            (agent.and_then(answers).map_err(Error::Source)?, String::new())
        }
        None => match http::reached(&config).map(Agent::at).and_then(answers) {
            Ok(source) => (source, String::new()),
            Err(why) => {
                let origin =
                    format!("No running hostlens answers, so this one reads the host itself ({why})");
                (Source::Own(own(config)?), origin)
            }
        },
    };
    let no_color = std::env::var("NO_COLOR").ok();
    let view = View::new(Theme::new(no_color.as_deref()), origin);
    let terminal = ratatui::try_init()?;
    let shown = show(&runtime, source, view, terminal);
    ratatui::try_restore()?;
    // A collector that hangs must not keep the process, nor the thread that waits for keys.
    runtime.shutdown_background();
    Ok(shown?)
}

/// The collectors of `config`, opened here. Nothing is served, so what keeps a server in its place is left out: drawing
/// on a terminal is more than it may.
fn own(mut config: Config) -> Result<Arc<App>, Error> {
    for (key, value) in
        [("security.landlock", "off"), ("security.seccomp", "off"), ("web.recorder", "on-demand")]
    {
        config.set(key, value.into());
    }
    let opened = opening::start(&config, collectors::all(), &[])?;
    let config = Arc::new(config);
    let (reload, _) = reload::channel();
    Ok(App::new(opened.registry, config, Arc::new(Own::new()), Shutdown::default(), reload))
}

/// Draws until somebody quits.
fn show(runtime: &Runtime, source: Source, mut view: View, mut terminal: DefaultTerminal) -> io::Result<()> {
    let (news, mut heard) = mpsc::channel(16);
    let (tell_since, since) = watch::channel(Some(0));
    let keys = news.clone();
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || while keys.blocking_send(News::Input(event::read())).is_ok() {})?;
    runtime.block_on(async {
        for kind in [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()] {
            let (mut signal, news) = (signal(kind)?, news.clone());
            tokio::spawn(async move {
                signal.recv().await;
                // Who does not listen any more ends already.
                news.send(News::End).await.ok();
            });
        }
        tokio::spawn(ask(source, news, since));
        loop {
            terminal.draw(|frame| view.render(frame.area(), frame.buffer_mut()))?;
            let Some(news) = heard.recv().await else { return Ok(()) };
            match news {
                News::End => return Ok(()),
                News::Input(input) => match input? {
                    Event::Key(key) if key.kind == KeyEventKind::Press && view.press(key) == Next::Quit => {
                        return Ok(());
                    }
                    // Drawn anew whatever it is, as after a change of size.
                    _ => {}
                },
                News::Status(Ok(status)) => view.take_status(status),
                News::Recorded(Ok(recorded)) => view.take(recorded),
                News::Groups(Ok(groups)) => view.take_groups(groups, Instant::now()),
                News::Status(Err(error)) | News::Recorded(Err(error)) | News::Groups(Err(error)) => {
                    view.trouble = error.to_string();
                }
            }
            tell_since.send_replace(view.since());
        }
    })
}

/// Asks for what is new, until nobody listens.
async fn ask(source: Source, news: mpsc::Sender<News>, since: watch::Receiver<Option<u64>>) {
    let mut ticks = interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for step in 0_u32.. {
        ticks.tick().await;
        if step.is_multiple_of(N_STEPS) && news.send(News::Status(source.status().await)).await.is_err() {
            return;
        }
        let Some(since) = *since.borrow() else { continue };
        if news.send(News::Recorded(source.recorded(since).await)).await.is_err() {
            return;
        }
        if step.is_multiple_of(N_STEPS) && news.send(News::Groups(source.groups().await)).await.is_err() {
            return;
        }
    }
}
