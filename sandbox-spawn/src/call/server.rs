//! The end that answers.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use capsicum_channel::{Caps, Error, Frame, Frames};
use serde::{Serialize, de::DeserializeOwned};

use super::{Stream, inbox::Inbox, wire};

thread_local! {
    /// The connection whose calls this thread answers.
    static SERVING: RefCell<Option<Rc<RefCell<Inbox>>>> = const { RefCell::new(None) };
}

/// Sets [`SERVING`], and what was there before when it is dropped.
struct Serving(Option<Rc<RefCell<Inbox>>>);

impl Serving {
    fn start(inbox: &Rc<RefCell<Inbox>>) -> Self {
        Self(SERVING.replace(Some(Rc::clone(inbox))))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        SERVING.set(self.0.take());
    }
}

/// A call that is being answered, by one of its methods.
#[derive(Debug)]
pub struct Turn<'a> {
    inbox: &'a RefCell<Inbox>,
}

impl Turn<'_> {
    /// Answers the call. Where that cannot be sent the caller is told why.
    ///
    /// # Errors
    ///
    /// Those of the connection, after which nothing more can be answered.
    pub fn reply<R: Serialize + ?Sized>(&mut self, response: &R) -> Result<(), Error> {
        self.inbox.borrow_mut().send(wire::REPLY, response).map(drop)
    }

    /// Answers the call with a response and items, until there are no more or nobody wants them.
    ///
    /// # Errors
    ///
    /// As of [`reply`](Self::reply).
    pub fn stream<R: Serialize + ?Sized, T: Serialize>(
        &mut self,
        response: &R,
        items: Stream<'_, T>,
    ) -> Result<(), Error> {
        if !self.inbox.borrow_mut().send(wire::STARTED, response)? {
            return Ok(());
        }
        let mut items = items;
        loop {
            if !self.inbox.borrow_mut().wait_for_credit()? {
                // What the service holds for the items is freed before the next call.
                drop(items);
                return self.inbox.borrow_mut().send_empty(wire::CANCELLED);
            }
            let Some(item) = items.next() else {
                return self.inbox.borrow_mut().send_empty(wire::END);
            };
            if !self.inbox.borrow_mut().send(wire::ITEM, &item)? {
                return Ok(());
            }
        }
    }
}

/// Answers calls until the client is gone: each request is given to `answer`, which
/// [answers](Turn) it.
///
/// In capability mode it needs nothing but the socket
/// ([`Frames::RIGHTS`]), and no other thread. A panic of `answer` becomes the answer to that call.
///
/// See [`call`](crate::call) for an example.
///
/// # Errors
///
/// [`Error::Protocol`] where the client sent what no honest one would; the connection has been closed
/// then. [`Error::System`] where a descriptor in a call could not be checked, or the socket fails.
pub fn serve<Q: DeserializeOwned>(
    frames: Frames,
    answer: impl FnMut(Q, &mut Turn<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let decode = |frame: Frame<'_>, caps| frame.decode(caps);
    run(Inbox::new(frames, false, wire::DESCRIPTORS), decode, answer)
}

/// What a client has asked, where there is something around the service: see [`serve_controlled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<Q, C> {
    /// A call of the service.
    Call(Q),
    /// A request to what is around it: [`Client::control`](super::Client::control).
    Control(C),
}

/// As [`serve`], for what is *around* a service, and takes requests of its own beside the calls.
///
/// The calls that wait bring `descriptors` at most, all together: a client that
/// [lends](super::Client::lending) no more waits before it sends others.
///
/// # Errors
///
/// As of [`serve`].
///
/// ```
/// use std::convert::Infallible;
///
/// use capsicum_channel::Frames;
/// use sandbox_spawn::call::{Asked, Client, serve_controlled};
///
/// let (here, there) = Frames::pair()?;
/// std::thread::spawn(move || {
///     let mut factor = 1_u32;
///     serve_controlled(there, 0, |asked: Asked<u32, u32>, turn| match asked {
///         Asked::Call(number) => turn.reply(&(factor * number)),
///         Asked::Control(new) => {
///             factor = new;
///             turn.reply(&0_u32)
///         }
///     })
/// });
/// let client = Client::named(here, "multiplying");
/// client.control::<_, u32, Infallible>(&3_u32, |frame, caps| frame.decode(caps).map(Ok))?.wait()?;
/// let reply = client.start::<_, u32, Infallible>(&7_u32, |frame, caps| frame.decode(caps).map(Ok))?;
/// assert_eq!(reply.wait()?, 21);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serve_controlled<Q: DeserializeOwned, C: DeserializeOwned>(
    frames: Frames,
    descriptors: usize,
    answer: impl FnMut(Asked<Q, C>, &mut Turn<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let decode = |frame: Frame<'_>, caps| match frame.kind() {
        wire::CONTROL => frame.decode(caps).map(Asked::Control),
        _ => frame.decode(caps).map(Asked::Call),
    };
    run(Inbox::new(frames, true, descriptors.min(wire::DESCRIPTORS)), decode, answer)
}

/// Answers the calls of one service, in whose name [`service`](crate::service) implements it.
///
/// It is there for code that is around services of any kind.
pub trait Server<T> {
    /// The calls of the service.
    type Request: DeserializeOwned;

    /// Answers one.
    ///
    /// # Errors
    ///
    /// Those of [`Turn::reply`].
    fn answer(service: &mut T, request: Self::Request, turn: &mut Turn<'_>) -> Result<(), Error>;
}

fn run<Q>(
    inbox: Inbox,
    decode: impl Fn(Frame<'_>, Caps) -> Result<Q, Error>,
    mut answer: impl FnMut(Q, &mut Turn<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let inbox = Rc::new(RefCell::new(inbox));
    let _serving = Serving::start(&inbox);
    let result = loop {
        match one(&inbox, &decode, &mut answer) {
            Ok(()) => {}
            Err(Error::Closed) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    inbox.borrow_mut().frames().close();
    result
}

fn one<Q>(
    inbox: &RefCell<Inbox>,
    decode: impl Fn(Frame<'_>, Caps) -> Result<Q, Error>,
    answer: &mut impl FnMut(Q, &mut Turn<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    // The service's state is as the panic left it; what to make of that is the service's decision.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let request = inbox.borrow_mut().next_call(decode)?;
        answer(request, &mut Turn { inbox })
    }));
    let mut inbox = inbox.borrow_mut();
    match outcome {
        Ok(result) => result?,
        Err(panic) if inbox.answered() => drop_quietly(panic),
        Err(panic) => return inbox.send(wire::PANICKED, &message(panic)).map(drop),
    }
    if !inbox.answered() {
        inbox.send(wire::UNSENDABLE, "the service has not answered")?;
    }
    Ok(())
}

/// What a panic says.
fn message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => wire::cut(*text),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| wire::cut((*text).to_owned()));
            drop_quietly(panic);
            text.unwrap_or_else(|| "a panic without a message".to_owned())
        }
    }
}

/// What a panic carries may panic when it is dropped.
fn drop_quietly(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(another);
    }
}

/// Whether the call that this thread is answering has been given up by its caller, or the caller is
/// gone: for methods that take long. Outside of a method it is false.
///
/// Each time it looks at what has been received, one system call.
///
/// ```
/// use std::time::Duration;
///
/// use sandbox_spawn::{CallError, call::cancelled, service};
///
/// #[service]
/// trait Search {
///     fn collision(&mut self) -> Option<u64>;
/// }
///
/// struct Stubborn;
///
/// impl Search for Stubborn {
///     fn collision(&mut self) -> Option<u64> {
///         while !cancelled() {
///             std::thread::yield_now();
///         }
///         None
///     }
/// }
///
/// let search = SearchClient::in_process(Stubborn)?.within(Duration::from_millis(10));
/// assert!(matches!(search.collision(), Err(CallError::Deadline { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn cancelled() -> bool {
    SERVING.with_borrow(|serving| {
        let inbox = serving.as_ref().and_then(|inbox| inbox.try_borrow_mut().ok());
        inbox.is_some_and(|mut inbox| inbox.cancelled())
    })
}
