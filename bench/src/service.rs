//! Calls of a service, beside the socket that they are on.

use anyhow::{Result, ensure};
use capsicum_channel::{Channel, Frames};
use sandbox_spawn::{
    call::{Client, Stream},
    service,
};

use crate::{
    channel::{Contender, DEADLINE, Hangup, Small, TRIPS, compare, count, raw, small},
    sys,
};

/// How many calls are sent before the first answer is waited for.
const BURST: usize = 32;

#[service]
trait Echo {
    fn echo(&mut self, text: Small) -> Small;
    fn repeat(&mut self, text: Small, times: u32) -> Stream<'_, Small>;
}

struct Plain;

impl Echo for Plain {
    fn echo(&mut self, text: Small) -> Small {
        text
    }

    fn repeat(&mut self, text: Small, times: u32) -> Stream<'_, Small> {
        Stream::new((0..times).map(move |_| text.clone()))
    }
}

pub(crate) fn print(rounds: usize) -> Result<()> {
    for (title, here, there) in [
        ("64-byte call of a service, both ends on one processor, microseconds each", 0, 0),
        ("64-byte call of a service, each end on its own processor, microseconds each", 0, 1),
    ] {
        sys::pin(here)?;
        compare(title, count(rounds), 1e3, contenders(there)?, 1)?;
    }
    println!(
        "\"begun\" is {BURST} calls sent before the first answer is waited for; \"streamed\" is each\n\
         item of one call."
    );
    sys::pin(0).map_err(Into::into)
}

fn contenders(there: usize) -> Result<Vec<Contender>> {
    let (mut one, mut other) = Channel::<Small, Small>::pair()?;
    let child = sys::start(move || {
        sys::pin(there).is_ok() && {
            while let Ok(message) = other.recv() {
                let _ = other.send(&message);
            }
            true
        }
    })?;
    let (hangup, text) = (Hangup::on(&one)?, small());
    let channel = Contender::new("channel", Some(child), move || {
        let _ = &hangup;
        for _ in 0..TRIPS {
            one.send(&text)?;
            ensure!(one.recv()?.len() == text.len());
        }
        Ok(TRIPS)
    });
    let service = |name, batch: fn(&EchoClient) -> Result<u32>, deadline: bool| {
        let (here, worker) = Frames::pair()?;
        let child = sys::start(move || {
            sys::pin(there).is_ok() && EchoServer::serve(worker, Plain).is_ok()
        })?;
        let hangup = Hangup::on(&here)?;
        let client = EchoClient::from(Client::named(here, "echo"));
        let client = if deadline { client.within(DEADLINE) } else { client };
        Ok::<_, anyhow::Error>(Contender::new(name, Some(child), move || {
            let _ = &hangup;
            batch(&client)
        }))
    };
    Ok(vec![
        raw(there)?,
        channel,
        service("call", one_by_one, false)?,
        service("call, deadline", one_by_one, true)?,
        service("call, begun", begun, false)?,
        service("call, streamed", streamed, false)?,
    ])
}

fn one_by_one(client: &EchoClient) -> Result<u32> {
    for _ in 0..TRIPS {
        ensure!(client.echo(small())?.len() == 63);
    }
    Ok(TRIPS)
}

fn begun(client: &EchoClient) -> Result<u32> {
    let bursts = TRIPS as usize / BURST;
    for _ in 0..bursts {
        let replies: Result<Vec<_>, _> = (0..BURST).map(|_| client.begin_echo(small())).collect();
        for reply in replies? {
            ensure!(reply.wait()?.len() == 63);
        }
    }
    Ok(count(bursts * BURST))
}

fn streamed(client: &EchoClient) -> Result<u32> {
    for item in client.repeat(small(), TRIPS)? {
        ensure!(item?.len() == 63);
    }
    Ok(TRIPS)
}
