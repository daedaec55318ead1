//! What a service expands to. [`service`](crate::service) shows it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Result;

use crate::{method::Method, trait_::Service};

pub(crate) fn service(arguments: &TokenStream, item: TokenStream) -> Result<TokenStream> {
    let service = Service::read(arguments, item)?;
    let item = &service.item;
    let (enums, server, client) = (enums(&service), server(&service), client(&service));
    let futures = cfg!(feature = "tokio").then(|| futures(&service));
    Ok(quote!(#item #enums #server #client #futures))
}

/// The error type of a method's calls.
fn error(method: &Method) -> TokenStream {
    method.error.as_ref().map_or_else(|| quote!(::std::convert::Infallible), |error| quote!(#error))
}

/// What the response of a method holds.
fn response(method: &Method) -> TokenStream {
    let unit = syn::parse_quote!(());
    let value = if method.streams { &unit } else { &method.value };
    let result = |error| quote!(::std::result::Result<#value, #error>);
    method.error.as_ref().map_or_else(|| quote!(#value), result)
}

fn enums(service: &Service) -> TokenStream {
    let (visibility, name) = (&service.item.vis, &service.item.ident);
    let (requests, responses) = (service.named("Request"), service.named("Response"));
    let derive = quote! {
        #[derive(
            ::sandbox_spawn::call::expanded::serde::Serialize,
            ::sandbox_spawn::call::expanded::serde::Deserialize,
        )]
        #[serde(crate = "::sandbox_spawn::call::expanded::serde")]
        #[allow(missing_docs, clippy::large_enum_variant, clippy::empty_enum_variants_with_brackets)]
    };
    let request = service.methods.iter().map(|Method { variant, arguments, .. }| {
        let fields = arguments.iter().map(|(name, of)| quote!(#name: #of));
        quote!(#variant { #(#fields),* })
    });
    let answers = service.methods.iter().map(|method| {
        let (variant, response) = (&method.variant, response(method));
        quote!(#variant(#response))
    });
    let request_doc = format!("A call of [`{name}`].");
    let response_doc = format!("The answer to a call of [`{name}`].");
    quote! {
        #[doc = #request_doc]
        #derive
        #visibility enum #requests { #(#request),* }

        #[doc = #response_doc]
        #derive
        #visibility enum #responses { #(#answers),* }
    }
}

fn server(service: &Service) -> TokenStream {
    let (visibility, name) = (&service.item.vis, &service.item.ident);
    let (requests, responses) = (service.named("Request"), service.named("Response"));
    let server = service.named("Server");
    let arms = service.methods.iter().map(|method| {
        let Method { name: function, variant, .. } = method;
        let arguments: Vec<_> = method.arguments.iter().map(|(name, _)| name).collect();
        let values: Vec<_> =
            (0..arguments.len()).map(|index| format_ident!("__argument{index}")).collect();
        let receiver = if method.exclusive { quote!(&mut *__service) } else { quote!(&*__service) };
        let call = quote!(#name::#function(#receiver, #(#values),*));
        let body = match (method.streams, &method.error) {
            (false, _) => quote!(__turn.reply(&#responses::#variant(#call))),
            (true, None) => quote!({
                let __items = #call;
                __turn.stream(&#responses::#variant(()), __items)
            }),
            (true, Some(_)) => quote!(match #call {
                ::std::result::Result::Ok(__items) => {
                    __turn.stream(&#responses::#variant(::std::result::Result::Ok(())), __items)
                }
                ::std::result::Result::Err(__error) => {
                    __turn.reply(&#responses::#variant(::std::result::Result::Err(__error)))
                }
            }),
        };
        quote!(#requests::#variant { #(#arguments: #values),* } => #body)
    });
    let doc = format!("Answers calls of [`{name}`].");
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug)]
        #[allow(dead_code)]
        #visibility struct #server;

        #[allow(dead_code)]
        impl #server {
            /// Answers calls until the client is gone.
            ///
            /// # Errors
            ///
            /// What ended the connection, other than the client.
            #visibility fn serve(
                frames: ::sandbox_spawn::call::expanded::Frames,
                service: impl #name,
            ) -> ::std::result::Result<(), ::sandbox_spawn::call::expanded::Error> {
                let mut __service = service;
                ::sandbox_spawn::call::serve(frames, move |__request, __turn| {
                    <Self as ::sandbox_spawn::call::Server<_>>::answer(
                        &mut __service,
                        __request,
                        __turn,
                    )
                })
            }
        }

        impl<__Service: #name> ::sandbox_spawn::call::Server<__Service> for #server {
            type Request = #requests;

            fn answer(
                __service: &mut __Service,
                __request: #requests,
                __turn: &mut ::sandbox_spawn::call::Turn<'_>,
            ) -> ::std::result::Result<(), ::sandbox_spawn::call::expanded::Error> {
                match __request {
                    #(#arms),*
                }
            }
        }
    }
}

fn client(service: &Service) -> TokenStream {
    let (visibility, name) = (&service.item.vis, &service.item.ident);
    let (server, client) = (service.named("Server"), service.named("Client"));
    let methods = service.methods.iter().map(|method| calls(service, method));
    let doc = format!("Calls a [`{name}`] in another process.");
    let text = name.to_string();
    quote! {
        #[doc = #doc]
        #[derive(Clone, Debug)]
        #visibility struct #client {
            client: ::sandbox_spawn::call::Client,
        }

        #[allow(dead_code, clippy::too_many_arguments, clippy::type_complexity)]
        impl #client {
            /// Calls the service at the other end, in the worker `peer`.
            #visibility fn new(
                frames: ::sandbox_spawn::call::expanded::Frames,
                peer: ::std::sync::Arc<dyn ::sandbox_spawn::call::Peer>,
            ) -> Self {
                Self { client: ::sandbox_spawn::call::Client::new(frames, peer) }
            }

            /// The same for a worker of which nothing is known but the name.
            #visibility fn named(
                frames: ::sandbox_spawn::call::expanded::Frames,
                name: &str,
            ) -> Self {
                Self { client: ::sandbox_spawn::call::Client::named(frames, name) }
            }

            /// Runs the service in a thread of this process, without any confinement: for tests.
            ///
            /// # Errors
            ///
            /// Those of `sandbox_spawn::call::in_process`: it is refused in release builds.
            #visibility fn in_process(
                service: impl #name + ::std::marker::Send + 'static,
            ) -> ::std::result::Result<Self, ::sandbox_spawn::call::expanded::Error> {
                ::sandbox_spawn::call::in_process(#text, move |frames| {
                    #server::serve(frames, service)
                })
                .map(Self::from)
            }

            /// The connection.
            #[must_use]
            #visibility fn client(&self) -> &::sandbox_spawn::call::Client {
                &self.client
            }

            /// The same connection, on which each call ends after this time at the latest.
            #[must_use]
            #visibility fn within(&self, time: ::std::time::Duration) -> Self {
                Self { client: self.client.within(time) }
            }

            /// The same connection, on which all calls end by then.
            #[must_use]
            #visibility fn by(&self, deadline: ::std::time::Instant) -> Self {
                Self { client: self.client.by(deadline) }
            }

            #(#methods)*
        }

        impl ::std::convert::From<::sandbox_spawn::call::Client> for #client {
            fn from(client: ::sandbox_spawn::call::Client) -> Self {
                Self { client }
            }
        }
    }
}

/// The two methods of a client for one of the service.
fn calls(service: &Service, method: &Method) -> TokenStream {
    let visibility = &service.item.vis;
    let Method { name, docs, value, .. } = method;
    let (begin, error) = (method.begin(), error(method));
    let names: Vec<_> = method.arguments.iter().map(|(name, _)| name).collect();
    let parameters: Vec<_> = method.arguments.iter().map(|(name, of)| quote!(#name: #of)).collect();
    let result = |of: TokenStream| quote!(::std::result::Result<#of, ::sandbox_spawn::call::CallError<#error>>);
    let (what, send) = if method.streams {
        (quote!(::sandbox_spawn::call::Items<#value, #error>), quote!(stream))
    } else {
        (quote!(::sandbox_spawn::call::Reply<#value, #error>), quote!(start))
    };
    let called = result(if method.streams { what.clone() } else { quote!(#value) });
    let begun = result(what);
    let (request, decode) = (request(service, method), decode(service, method));
    let call = if method.streams {
        quote!(self.#begin(#(#names),*)?.started())
    } else {
        quote!(self.client.call(&#request, #decode))
    };
    let begin_doc = format!("Begins [`{name}`](Self::{name}), without waiting for the answer.");
    quote! {
        #(#docs)*
        ///
        /// # Errors
        ///
        /// What became of the call.
        #visibility fn #name(&self, #(#parameters),*) -> #called {
            #call
        }

        #[doc = #begin_doc]
        ///
        /// # Errors
        ///
        /// Why it cannot be sent.
        #visibility fn #begin(&self, #(#parameters),*) -> #begun {
            self.client.#send(&#request, #decode)
        }
    }
}

/// The request of a method, of its arguments.
fn request(service: &Service, method: &Method) -> TokenStream {
    let (requests, variant) = (service.named("Request"), &method.variant);
    let names = method.arguments.iter().map(|(name, _)| name);
    quote!(#requests::#variant { #(#names),* })
}

/// What makes the method's result of a response.
fn decode(service: &Service, method: &Method) -> TokenStream {
    let (responses, variant) = (service.named("Response"), &method.variant);
    let answer = if method.error.is_some() {
        quote!(__answer)
    } else {
        quote!(::std::result::Result::Ok(__answer))
    };
    // An enum with one variant has no other.
    let other = (service.methods.len() > 1).then(|| {
        quote!(_ => ::std::result::Result::Err(
            ::sandbox_spawn::call::expanded::Error::protocol("the answer to another method"),
        ),)
    });
    quote! {
        |__frame, __caps| match __frame.decode::<#responses>(__caps)? {
            #responses::#variant(__answer) => ::std::result::Result::Ok(#answer),
            #other
        }
    }
}

/// The client whose methods are futures.
fn futures(service: &Service) -> TokenStream {
    let (visibility, name) = (&service.item.vis, &service.item.ident);
    let client = service.named("AsyncClient");
    let methods = service.methods.iter().map(|method| {
        let Method { name, docs, value, .. } = method;
        let error = error(method);
        let parameters = method.arguments.iter().map(|(name, of)| quote!(#name: #of));
        let (returned, send) = if method.streams {
            (quote!(::sandbox_spawn::call::AsyncItems<#value, #error>), quote!(stream))
        } else {
            (quote!(#value), quote!(call))
        };
        let (request, decode) = (request(service, method), decode(service, method));
        quote! {
            #(#docs)*
            ///
            /// # Errors
            ///
            /// What became of the call.
            #visibility async fn #name(
                &self,
                #(#parameters),*
            ) -> ::std::result::Result<#returned, ::sandbox_spawn::call::CallError<#error>> {
                self.client.#send(#request, #decode).await
            }
        }
    });
    let doc = format!("Calls a [`{name}`] in another process, with futures of tokio.");
    let result = quote!(::std::result::Result<Self, ::sandbox_spawn::call::expanded::Error>);
    quote! {
        #[doc = #doc]
        #[derive(Clone, Debug)]
        #[allow(dead_code)]
        #visibility struct #client {
            client: ::sandbox_spawn::call::AsyncClient,
        }

        #[allow(dead_code, clippy::too_many_arguments, clippy::type_complexity)]
        impl #client {
            /// Calls the service at the other end, in the worker `peer`.
            ///
            /// # Errors
            ///
            /// What tokio cannot do; that there is no runtime is such a thing.
            #visibility fn new(
                frames: ::sandbox_spawn::call::expanded::Frames,
                peer: ::std::sync::Arc<dyn ::sandbox_spawn::call::Peer>,
            ) -> #result {
                ::sandbox_spawn::call::AsyncClient::new(frames, peer).map(Self::from)
            }

            /// The same for a worker of which nothing is known but the name.
            ///
            /// # Errors
            ///
            /// As of `new`.
            #visibility fn named(
                frames: ::sandbox_spawn::call::expanded::Frames,
                name: &str,
            ) -> #result {
                ::sandbox_spawn::call::AsyncClient::named(frames, name).map(Self::from)
            }

            /// The connection.
            #[must_use]
            #visibility fn client(&self) -> &::sandbox_spawn::call::AsyncClient {
                &self.client
            }

            /// The same connection, on which each call ends after this time at the latest.
            #[must_use]
            #visibility fn within(&self, time: ::std::time::Duration) -> Self {
                Self { client: self.client.within(time) }
            }

            /// The same connection, on which all calls end by then.
            #[must_use]
            #visibility fn by(&self, deadline: ::std::time::Instant) -> Self {
                Self { client: self.client.by(deadline) }
            }

            #(#methods)*
        }

        impl ::std::convert::From<::sandbox_spawn::call::AsyncClient> for #client {
            fn from(client: ::sandbox_spawn::call::AsyncClient) -> Self {
                Self { client }
            }
        }
    }
}
