//! Workers that know each other, and workers that start workers.

use std::os::fd::OwnedFd;

use capsicum_rs::Limits;

use super::{Builder, Given};
use crate::graph::Starts;

impl Builder {
    /// Gives the worker this end of a channel under this name, with what it needs to use it: the
    /// other end may be another worker's, which so can be called, and passed descriptors.
    ///
    /// The worker finds it as [`Inside::channel`](crate::Inside::channel), and may send and receive
    /// with descriptors and deadlines: `Frames::RIGHTS`, what its ceiling has, and shutdown(2).
    /// On Linux sending descriptors takes more than that: no other grant may lack what the ceiling
    /// has. The caps are the default ones, unless the worker sets others.
    ///
    /// ```
    /// use capsicum_channel::Frames;
    /// use sandbox_spawn::{Compartment, Inside, Worker, service};
    ///
    /// #[service]
    /// trait Doubler {
    ///     fn double(&mut self, number: u32) -> u32;
    /// }
    ///
    /// struct Plain;
    ///
    /// impl Doubler for Plain {
    ///     fn double(&mut self, number: u32) -> u32 {
    ///         2 * number
    ///     }
    /// }
    ///
    /// fn doubles(mut inside: Inside) -> u8 {
    ///     let Ok(calls) = inside.channel::<Frames>("calls") else { return 1 };
    ///     u8::from(DoublerServer::serve(calls, Plain).is_err())
    /// }
    ///
    /// /// Has no socket to the program but its own, and one to the other worker.
    /// fn quadruples(mut inside: Inside) -> u8 {
    ///     let Ok(calls) = inside.channel("doubler") else { return 1 };
    ///     let doubler = DoublerClient::named(calls, "doubles");
    ///     match doubler.double(10).and_then(|twenty| doubler.double(twenty)) {
    ///         Ok(40) => 0,
    ///         _ => 2,
    ///     }
    /// }
    ///
    /// const WORKERS: &[Worker] =
    ///     &[Worker::new("doubles", doubles), Worker::new("quadruples", quadruples)];
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     sandbox_spawn::init(WORKERS)?;
    ///     let (one, other) = Frames::pair()?;
    ///     let _doubles = Compartment::builder("doubles").channel("calls", one).spawn()?;
    ///     let mut quadruples =
    ///         Compartment::builder("quadruples").channel("doubler", other).spawn()?;
    ///     assert!(quadruples.wait()?.success());
    ///     Ok(())
    /// }
    /// ```
    pub fn channel(self, name: &str, end: impl Into<OwnedFd>) -> Self {
        // What it is limited to is known once the ceiling is.
        self.give(name, Given::new(end), Limits::NONE, true)
    }

    /// In a worker: hands the worker's own grant `from` on, under this name and with these limits,
    /// which must be within its own for it.
    ///
    /// The starter has a copy of each grant, so that this works whatever has become of the descriptor
    /// in the worker, and with any rights: nothing is sent. The other end of a pipe or a socket finds
    /// it closed when the worker has ended, and not before.
    pub fn hand_on(self, name: &str, from: &str, limits: impl Into<Limits>) -> Self {
        self.give(name, Given::Named(from.to_owned()), limits.into(), false)
    }

    /// The same for a [channel](Self::channel).
    pub fn hand_on_channel(self, name: &str, from: &str) -> Self {
        self.give(name, Given::Named(from.to_owned()), Limits::NONE, true)
    }

    /// Lets the worker start these workers, of which no more than `most` may live at a time.
    ///
    /// Within the worker, [`spawn`](Self::spawn) starts them. Those have nothing that it has not
    /// itself: their ceiling is within its ceiling, their level, if it requires one, no lower, their
    /// resources and caps no higher; the user is the same; they start processes, write cores and are
    /// executed anew only if it is or does; and their grants are its own by name, with
    /// limits within its own ([`hand_on`](Self::hand_on)), or descriptors that it sends along, with
    /// what its ceiling and all of its grants have, but for `LOOKUP`. What is wider is
    /// [`Error::Start`](crate::Error::Start), which names it. They may start others if they are
    /// described so: those that the worker may start, and no more than are left to it of `most`,
    /// which counts them all.
    ///
    /// They end with the worker, whoever holds them, and with whatever ends that. Unless they are
    /// executed anew, their memory begins as a copy of the starter's, which knows how the worker was
    /// described; of one with [`Start::Fork`](crate::Start::Fork), of the program's.
    ///
    /// The worker's ceiling must have [`Frames::RIGHTS`](capsicum_channel::Frames::RIGHTS), since the
    /// sockets to those that it starts come to it in capability mode. Another process, its *starter*,
    /// is between it and the zygote.
    ///
    /// ```
    /// use std::{fs::File, io::Read};
    ///
    /// use capsicum_channel::Frames;
    /// use capsicum_rs::Rights;
    /// use sandbox_spawn::{Compartment, Inside, Worker};
    ///
    /// const WORKERS: &[Worker] = &[Worker::new("parse", parse), Worker::new("measure", measure)];
    ///
    /// /// Leaves what is dangerous to a worker that has less than itself.
    /// fn parse(_inside: Inside) -> u8 {
    ///     let measure = Compartment::builder("measure")
    ///         .hand_on("input", "file", Rights::READ)
    ///         .ceiling(Rights::NONE);
    ///     let Ok(mut worker) = measure.spawn() else { return 1 };
    ///     // More than this worker has: nothing is started.
    ///     let wider = measure.ceiling(Rights::FCHMOD).spawn();
    ///     if !wider.is_err_and(|error| error.to_string().contains("FCHMOD")) {
    ///         return 2;
    ///     }
    ///     worker.wait().map_or(3, |end| u8::from(!end.success()))
    /// }
    ///
    /// fn measure(mut inside: Inside) -> u8 {
    ///     let Ok(mut file) = inside.grant::<File>("input") else { return 1 };
    ///     u8::from(!file.read(&mut [0; 16]).is_ok_and(|length| length == 16))
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     sandbox_spawn::init(WORKERS)?;
    ///     let mut parse = Compartment::builder("parse")
    ///         .grant("file", File::open("Cargo.toml")?, Rights::READ | Rights::SEEK)
    ///         .ceiling(Frames::RIGHTS)
    ///         .starts(&["measure"], 2)
    ///         .spawn()?;
    ///     assert!(parse.wait()?.success());
    ///     Ok(())
    /// }
    /// ```
    pub fn starts(mut self, workers: &[&str], most: u32) -> Self {
        let names = workers.iter().map(|&name| name.to_owned()).collect();
        self.settings.starts = Some(Starts { names, most });
        self
    }
}
