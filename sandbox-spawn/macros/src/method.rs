//! What a method of a service may look like.

use proc_macro2::TokenTree;
use quote::{ToTokens, format_ident};
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, Pat, PathArguments, Result, ReturnType,
    TraitItemFn, Type, TypePath, ext::IdentExt, spanned::Spanned,
};

/// What clients have already.
pub(crate) const RESERVED: [&str; 6] = ["by", "client", "in_process", "named", "new", "within"];

/// One method.
pub(crate) struct Method {
    pub(crate) name: Ident,
    pub(crate) variant: Ident,
    pub(crate) docs: Vec<Attribute>,
    /// It takes `&mut self`.
    pub(crate) exclusive: bool,
    pub(crate) arguments: Vec<(Ident, Type)>,
    /// What it returns when all is well; of a stream one item.
    pub(crate) value: Type,
    /// Its error, if it has one.
    pub(crate) error: Option<Type>,
    pub(crate) streams: bool,
}

impl Method {
    pub(crate) fn read(function: &TraitItemFn) -> Result<Self> {
        let signature = &function.sig;
        let fail = |at: &dyn ToTokens, message: &str| {
            Err(Error::new(at.to_token_stream().span(), message))
        };
        for attribute in &function.attrs {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                return fail(attribute, "both ends must have the same methods");
            }
        }
        if let Some(body) = &function.default {
            return fail(body, "a method of a service has no body: it runs in the worker");
        }
        if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
            let message = "a method of a service is not generic: the worker must know its types";
            return fail(&signature.ident, message);
        }
        if signature.asyncness.is_some()
            || signature.unsafety.is_some()
            || signature.constness.is_some()
            || signature.abi.is_some()
            || signature.variadic.is_some()
        {
            return fail(&signature.ident, "a method of a service is a plain function");
        }
        let name = signature.ident.clone();
        let plain = name.unraw().to_string();
        if RESERVED.contains(&plain.as_str()) {
            return fail(&name, &format!("every client has a method `{plain}` of its own"));
        }
        let mut inputs = signature.inputs.iter();
        let exclusive = match inputs.next() {
            Some(FnArg::Receiver(receiver))
                if receiver.colon_token.is_none()
                    && receiver.reference.as_ref().is_some_and(|(_, life)| life.is_none()) =>
            {
                receiver.mutability.is_some()
            }
            _ => return fail(&name, "a method of a service takes `&self` or `&mut self`"),
        };
        let mut arguments = Vec::new();
        for input in inputs {
            let FnArg::Typed(input) = input else {
                return fail(input, "an argument is a name and a type");
            };
            let Pat::Ident(pattern) = &*input.pat else {
                return fail(&input.pat, "an argument is a name and a type");
            };
            if pattern.by_ref.is_some() || pattern.subpat.is_some() {
                return fail(&input.pat, "an argument is a name and a type");
            }
            owned(&input.ty)?;
            arguments.push((pattern.ident.clone(), (*input.ty).clone()));
        }
        let returned = match &signature.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, returned) => (**returned).clone(),
        };
        let (value, error) = match arguments_of(&returned, "Result") {
            None => (returned, None),
            Some(types) => match &types[..] {
                [value, error] => (value.clone(), Some(error.clone())),
                _ => return fail(&returned, "the error is written out: `Result<T, E>`"),
            },
        };
        let (value, streams) = match arguments_of(&value, "Stream") {
            None => (value, false),
            Some(types) => match &types[..] {
                [item] => (item.clone(), true),
                _ => return fail(&value, "a stream has one type: `Stream<'_, T>`"),
            },
        };
        owned(&value)?;
        if let Some(error) = &error {
            owned(error)?;
        }
        let docs = function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
        Ok(Self {
            variant: format_ident!("{}", camel(&plain), span = name.span()),
            docs: docs.cloned().collect(),
            name,
            exclusive,
            arguments,
            value,
            error,
            streams,
        })
    }

    /// The name of the method that begins the call.
    pub(crate) fn begin(&self) -> Ident {
        format_ident!("begin_{}", self.name.unraw(), span = self.name.span())
    }
}

/// Only values travel.
fn owned(of: &Type) -> Result<()> {
    let fail =
        |at: &dyn ToTokens, message: &str| Err(Error::new(at.to_token_stream().span(), message));
    match of {
        Type::Reference(_) => {
            return fail(
                of,
                "a value that is sent is owned: no reference leads into another process",
            );
        }
        Type::ImplTrait(_) | Type::TraitObject(_) | Type::BareFn(_) | Type::Ptr(_) => {
            return fail(of, "a value that is sent has a type that both ends know");
        }
        _ => {}
    }
    // What is deeper: `Vec<&str>`, `(u32, Self)`, `Cow<'_, str>`.
    let mut tokens: Vec<_> = of.to_token_stream().into_iter().collect();
    while let Some(token) = tokens.pop() {
        match token {
            TokenTree::Group(group) => tokens.extend(group.stream()),
            TokenTree::Punct(mark) if mark.as_char() == '\'' || mark.as_char() == '&' => {
                return fail(
                    of,
                    "a value that is sent is owned: no reference leads into another process",
                );
            }
            TokenTree::Ident(word) if word == "Self" => {
                return fail(of, "the types of a service are named: `Self` is in the worker only");
            }
            TokenTree::Ident(word) if word == "impl" || word == "dyn" => {
                return fail(of, "a value that is sent has a type that both ends know");
            }
            _ => {}
        }
    }
    Ok(())
}

/// The types in the angle brackets of a type with this name.
fn arguments_of(of: &Type, name: &str) -> Option<Vec<Type>> {
    let Type::Path(TypePath { qself: None, path }) = of else { return None };
    let last = path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(Vec::new()) };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(of) => Some(of.clone()),
        _ => None,
    });
    Some(types.collect())
}

/// `snake_case` to `CamelCase`.
fn camel(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect::<Vec<_>>()
        })
        .collect()
}
