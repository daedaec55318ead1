//! Text to and from C.

use std::{
    ffi::{CStr, CString, OsStr, OsString, c_char},
    os::unix::ffi::{OsStrExt, OsStringExt},
    ptr,
};

use crate::Error;

pub(super) fn c_string(call: &'static str, text: impl AsRef<OsStr>) -> Result<CString, Error> {
    let text = text.as_ref();
    CString::new(text.as_bytes()).map_err(|_| Error::Invalid {
        call,
        what: format!("{} has a zero byte", text.to_string_lossy().escape_debug()),
    })
}

pub(super) fn c_strings(call: &'static str, texts: &[&str]) -> Result<Vec<CString>, Error> {
    texts.iter().map(|text| c_string(call, text)).collect()
}

pub(super) fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).collect()
}

pub(super) fn or_null(text: Option<&CString>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr())
}

/// A copy of a string of C; empty where there is none.
///
/// # Safety
/// It is null or ends with a zero byte.
pub(super) unsafe fn copy(text: *const c_char) -> OsString {
    if text.is_null() {
        return OsString::new();
    }
    // SAFETY: the caller says so.
    OsString::from_vec(unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
}

/// Copies of an array of strings that ends with a null pointer.
///
/// # Safety
/// It is null or such an array.
pub(super) unsafe fn copies(mut texts: *mut *mut c_char) -> Vec<OsString> {
    let mut copied = Vec::new();
    if texts.is_null() {
        return copied;
    }
    // SAFETY: the caller says so; reading stops at the null pointer.
    unsafe {
        while !(*texts).is_null() {
            copied.push(copy(*texts));
            texts = texts.add(1);
        }
    }
    copied
}
