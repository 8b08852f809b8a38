//! Proxies of this machine's user, as curl reads them: `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`. Those of hosts are
//! their own.

use http::Uri;
use http::uri::PathAndQuery;
use hyper_util::client::proxy::matcher::Matcher;

/// Where they are said.
const NAMES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The proxy on the way to `address`, if there is one, with its user and password.
pub(super) fn to(address: &Uri) -> Option<Uri> {
    let found = Matcher::from_env().intercept(address)?;
    let at = found.uri().authority()?;
    // It was told apart from its user, and who connects wants them together.
    let whole = NAMES.iter().filter_map(|name| std::env::var(name).ok()?.parse::<Uri>().ok()?.into_parts().authority);
    let authority = whole
        .filter(|_| found.basic_auth().is_some() || found.raw_auth().is_some())
        .find(|whole| whole.as_str().rsplit_once('@').is_some_and(|(_, rest)| rest == at.as_str()));
    let mut parts = found.uri().clone().into_parts();
    parts.authority = Some(authority.unwrap_or_else(|| at.clone()));
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).ok()
}
