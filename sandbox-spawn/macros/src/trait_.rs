//! What the trait of a service may look like.

use proc_macro2::TokenStream;
use syn::{Error, Ident, ItemTrait, Result, TraitItem, spanned::Spanned};

use crate::method::Method;

/// A trait that can be a service.
pub(crate) struct Service {
    /// As it was written.
    pub(crate) item: ItemTrait,
    pub(crate) methods: Vec<Method>,
}

impl Service {
    pub(crate) fn read(arguments: &TokenStream, item: TokenStream) -> Result<Self> {
        if !arguments.is_empty() {
            return Err(Error::new(arguments.span(), "#[service] takes no arguments"));
        }
        let item: ItemTrait = syn::parse2(item)
            .map_err(|error| Error::new(error.span(), "#[service] is for traits"))?;
        if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
            let message = "a service is not generic: both ends must know its types";
            return Err(Error::new(item.generics.params.span(), message));
        }
        if item.unsafety.is_some() || item.auto_token.is_some() {
            return Err(Error::new(item.ident.span(), "a service is a plain trait"));
        }
        let mut methods: Vec<Method> = Vec::new();
        for part in &item.items {
            let TraitItem::Fn(function) = part else {
                return Err(Error::new(part.span(), "a service has methods only"));
            };
            let method = Method::read(function)?;
            let taken = |other: &Method| other.variant == method.variant;
            if let Some(other) = methods.iter().find(|other| taken(other)) {
                let message =
                    format!("`{}` and `{}` are one name in the enums", other.name, method.name);
                return Err(Error::new(method.name.span(), message));
            }
            methods.push(method);
        }
        if methods.is_empty() {
            return Err(Error::new(item.ident.span(), "a service has at least one method"));
        }
        Ok(Self { item, methods })
    }

    /// The trait's name with something after it.
    pub(crate) fn named(&self, what: &str) -> Ident {
        quote::format_ident!("{}{what}", self.item.ident)
    }
}
