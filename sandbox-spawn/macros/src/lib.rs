//! The attribute `#[service]` of the crate `sandbox-spawn`, which has its documentation.

use proc_macro::TokenStream;

mod expand;
mod method;
mod trait_;

/// Makes a service of a trait: the enums of its requests and responses, a client, and a server.
///
/// The methods of the trait are run in a worker, and called from other processes.
///
/// ```
/// use sandbox_spawn::{CallError, service};
///
/// #[service]
/// pub trait Divider {
///     /// Divides all that was divided before as well.
///     fn divide(&mut self, number: u32, by: u32) -> Result<u32, String>;
///     fn divisions(&self) -> u64;
/// }
///
/// // In the worker.
/// struct Counting(u64);
///
/// impl Divider for Counting {
///     fn divide(&mut self, number: u32, by: u32) -> Result<u32, String> {
///         self.0 += 1;
///         number.checked_div(by).ok_or_else(|| "by zero".to_owned())
///     }
///
///     fn divisions(&self) -> u64 {
///         self.0
///     }
/// }
///
/// // Where it is called; here in the same process, for a test.
/// let divider = DividerClient::in_process(Counting(0))?;
/// assert_eq!(divider.divide(42, 2)?, 21);
/// let Err(CallError::Remote { error, .. }) = divider.divide(1, 0) else { panic!() };
/// assert_eq!(error, "by zero");
/// assert_eq!(divider.divisions()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it expands to
///
/// The trait, as it is, and beside it with the same visibility:
///
/// ```text
/// #[derive(Serialize, Deserialize)]
/// pub enum DividerRequest { Divide { number: u32, by: u32 }, Divisions {} }
///
/// #[derive(Serialize, Deserialize)]
/// pub enum DividerResponse { Divide(Result<u32, String>), Divisions(u64) }
///
/// pub struct DividerServer;
///
/// impl DividerServer {
///     /// Answers calls until the client is gone.
///     pub fn serve(frames: Frames, mut service: impl Divider) -> Result<(), Error> {
///         call::serve(frames, move |request, turn| Self::answer(&mut service, request, turn))
///     }
/// }
///
/// impl<S: Divider> call::Server<S> for DividerServer {
///     type Request = DividerRequest;
///
///     fn answer(service: &mut S, request: DividerRequest, turn: &mut Turn) -> Result<(), Error> {
///         match request {
///             DividerRequest::Divide { number, by } => {
///                 turn.reply(&DividerResponse::Divide(service.divide(number, by)))
///             }
///             DividerRequest::Divisions {} => {
///                 turn.reply(&DividerResponse::Divisions(service.divisions()))
///             }
///         }
///     }
/// }
///
/// #[derive(Clone, Debug)]
/// pub struct DividerClient { client: Client }
///
/// impl DividerClient {
///     pub fn new(frames: Frames, peer: Arc<dyn Peer>) -> Self { … }
///     pub fn named(frames: Frames, name: &str) -> Self { … }
///     pub fn in_process(service: impl Divider + Send + 'static) -> Result<Self, Error> { … }
///     pub fn client(&self) -> &Client { … }
///     pub fn within(&self, time: Duration) -> Self { … }
///     pub fn by(&self, deadline: Instant) -> Self { … }
///
///     pub fn divide(&self, number: u32, by: u32) -> Result<u32, CallError<String>> {
///         self.client.call(…)
///     }
///     pub fn begin_divide(&self, number: u32, by: u32)
///         -> Result<Reply<u32, String>, CallError<String>> { … }
///     // … and the same for every method: `CallError<Infallible>` where it returns no `Result`.
/// }
///
/// impl From<Client> for DividerClient { … }
/// ```
///
/// With the feature `tokio` of sandbox-spawn there is `DividerAsyncClient` too, whose methods are futures
/// (and whose streams are `AsyncItems`).
///
/// A method that returns `Stream<'_, T>`, or `Result<Stream<'_, T>, E>`, streams: its client's methods
/// return `Result<Items<T, E>, CallError<E>>`.
///
/// # What a method may look like
///
/// It takes `&self` or `&mut self` and arguments by value, each a name and a type. What it takes and
/// returns must be `Serialize` and `DeserializeOwned`:
///
/// ```compile_fail,E0277
/// # use sandbox_spawn::service;
/// struct Opaque;
///
/// #[service]
/// trait Wrong {
///     fn take(&mut self, opaque: Opaque);
/// }
/// ```
///
/// It has no body, is not generic or `async`, and names neither `Self` nor a lifetime (but that of
/// `Stream`):
///
/// ```compile_fail
/// # use sandbox_spawn::service;
/// #[service]
/// trait Wrong {
///     fn take<T>(&mut self, value: T);
/// }
/// ```
///
/// ```compile_fail
/// # use sandbox_spawn::service;
/// #[service]
/// trait Wrong {
///     fn take(&mut self, text: &str);
/// }
/// ```
///
/// ```compile_fail
/// # use sandbox_spawn::service;
/// #[service]
/// trait Wrong {
///     fn take(number: u32);
/// }
/// ```
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::service(&arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
