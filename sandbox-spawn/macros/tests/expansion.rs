//! What is refused, with which words; and that what passes is what is shown in the documentation.
//!
//! Nobody but the compiler can call a procedural macro, and its unit tests need the compiler's own
//! library. So its modules are a part of this program too.
#![allow(unreachable_pub, reason = "they are another crate's modules")]

#[path = "../src/expand.rs"]
mod expand;
#[path = "../src/method.rs"]
mod method;
#[path = "../src/trait_.rs"]
mod trait_;

use expand::service;
use proc_macro2::TokenStream;
use quote::quote;

/// The message for a trait.
fn refused(item: TokenStream) -> String {
    match service(&TokenStream::new(), item) {
        Ok(expanded) => panic!("accepted: {expanded}"),
        Err(error) => error.to_string(),
    }
}

/// The message for a method.
fn method(function: &TokenStream) -> String {
    refused(quote!(trait Wrong { #function }))
}

#[test]
fn a_service_is_a_plain_trait_of_methods() {
    assert!(
        refused(quote!(
            struct Wrong;
        ))
        .contains("for traits")
    );
    assert!(refused(quote!(impl Wrong {})).contains("for traits"));
    assert!(
        refused(quote!(
            trait Wrong {}
        ))
        .contains("at least one method")
    );
    assert!(
        refused(quote!(
            trait Wrong<T> {
                fn a(&self, b: T);
            }
        ))
        .contains("not generic")
    );
    assert!(
        refused(quote!(
            trait Wrong
            where
                Self: Sized,
            {
                fn a(&self);
            }
        ))
        .contains("not generic")
    );
    assert!(
        refused(quote!(
            unsafe trait Wrong {
                fn a(&self);
            }
        ))
        .contains("plain trait")
    );
    assert!(
        refused(quote!(
            trait Wrong {
                type A;
            }
        ))
        .contains("methods only")
    );
    assert!(
        refused(quote!(
            trait Wrong {
                const A: u32;
            }
        ))
        .contains("methods only")
    );
    let twice = refused(quote!(
        trait Wrong {
            fn a_b(&self);
            fn aB(&self);
        }
    ));
    assert!(twice.contains("`a_b` and `aB`"), "{twice}");
    let error = service(
        &quote!(name = 1),
        quote!(
            trait Fine {
                fn a(&self);
            }
        ),
    );
    assert!(error.is_err_and(|error| error.to_string().contains("no arguments")));
}

#[test]
fn a_method_is_not_generic() {
    for generic in [
        quote!(
            fn a<T>(&self, b: T);
        ),
        quote!(
            fn a<'a>(&self, b: u32);
        ),
        quote!(
            fn a<const N: usize>(&self);
        ),
        quote!(
            fn a(&self)
            where
                Self: Sized;
        ),
    ] {
        assert!(method(&generic).contains("not generic"));
    }
}

#[test]
fn a_method_takes_self_by_reference() {
    for receiver in [
        quote!(
            fn a();
        ),
        quote!(
            fn a(b: u32);
        ),
        quote!(
            fn a(self);
        ),
        quote!(
            fn a(mut self);
        ),
        quote!(
            fn a(self: &Self);
        ),
        quote!(
            fn a(self: Box<Self>);
        ),
        quote!(
            fn a(&'static self);
        ),
    ] {
        assert!(method(&receiver).contains("`&self` or `&mut self`"));
    }
}

#[test]
fn values_are_owned() {
    for reference in [
        quote!(
            fn a(&self, b: &str);
        ),
        quote!(
            fn a(&self, b: &mut u32);
        ),
        quote!(
            fn a(&self, b: Vec<&'static str>);
        ),
        quote!(
            fn a(&self, b: (u32, [&u8; 2]));
        ),
        quote!(
            fn a(&self, b: Cow<'static, str>);
        ),
        quote!(
            fn a(&self) -> &str;
        ),
        quote!(
            fn a(&self) -> Result<&str, u8>;
        ),
        quote!(
            fn a(&self) -> Result<u8, Cow<'static, str>>;
        ),
        quote!(
            fn a(&self) -> Stream<'_, &'static str>;
        ),
    ] {
        assert!(method(&reference).contains("owned"));
    }
}

#[test]
fn types_are_those_that_both_ends_know() {
    for unknown in [
        quote!(
            fn a(&self, b: impl Into<u32>);
        ),
        quote!(
            fn a(&self, b: Box<dyn Any>);
        ),
        quote!(
            fn a(&self, b: *const u8);
        ),
        quote!(
            fn a(&self, b: fn());
        ),
        quote!(
            fn a(&self) -> impl Iterator<Item = u32>;
        ),
    ] {
        assert!(method(&unknown).contains("both ends know"));
    }
    assert!(
        method(&quote!(
            fn a(&self) -> Option<Self>;
        ))
        .contains("`Self`")
    );
    assert!(
        method(&quote!(
            fn a(&self, b: Self::Item);
        ))
        .contains("`Self`")
    );
}

#[test]
fn a_method_is_a_plain_function_with_named_arguments() {
    for special in [
        quote!(
            async fn a(&self);
        ),
        quote!(
            unsafe fn a(&self);
        ),
        quote!(
            extern "C" fn a(&self);
        ),
    ] {
        assert!(method(&special).contains("plain function"));
    }
    assert!(
        method(&quote!(
            fn a(&self) {}
        ))
        .contains("no body")
    );
    assert!(
        method(&quote!(
            #[cfg(test)]
            fn a(&self);
        ))
        .contains("same methods")
    );
    assert!(
        method(&quote!(
            fn a(&self, (b, c): (u8, u8));
        ))
        .contains("a name and a type")
    );
    assert!(
        method(&quote!(
            fn a(&self, _: u8);
        ))
        .contains("a name and a type")
    );
    assert!(
        method(&quote!(
            fn a(&self) -> io::Result<u8>;
        ))
        .contains("written out")
    );
    assert!(
        method(&quote!(
            fn a(&self) -> Stream;
        ))
        .contains("one type")
    );
    for reserved in crate::method::RESERVED {
        let name = quote::format_ident!("{reserved}");
        assert!(method(&quote!(fn #name(&self);)).contains("of its own"));
    }
}

#[test]
fn the_enums_are_plain() {
    let item = quote! {
        pub trait Divider {
            fn divide(&mut self, number: u32, by: u32) -> Result<u32, String>;
            fn divisions(&self) -> u64;
            fn all_of_them(&self) -> Stream<'_, u32>;
            fn some(&self) -> Result<Stream<'_, u32>, u8>;
        }
    };
    let expanded = service(&TokenStream::new(), item).expect("a service").to_string();
    let requests = quote!(
        pub enum DividerRequest {
            Divide { number: u32, by: u32 },
            Divisions {},
            AllOfThem {},
            Some {},
        }
    );
    let responses = quote!(
        pub enum DividerResponse {
            Divide(::std::result::Result<u32, String>),
            Divisions(u64),
            AllOfThem(()),
            Some(::std::result::Result<(), u8>),
        }
    );
    for part in [requests, responses] {
        // However many lines it has here.
        let part = part.to_string().replace(" , }", " }");
        assert!(expanded.contains(&part), "{part}\nnot in\n{expanded}");
    }
}
