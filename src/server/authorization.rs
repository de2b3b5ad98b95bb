//! Who may read the metrics. The API server decides, by the bearer token of the request: a TokenReview says whose token it
//! is, and a SubjectAccessReview says whether this user may `get` the path `/metrics`.

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use tokio::sync::Semaphore;

/// Requests that are decided at the same time. More wait, so that nobody can flood the API server through this page.
const CONCURRENCY: usize = 2;
/// Limit of a token. Tokens of ServiceAccounts have about 1,000 characters.
const MAX_TOKEN: usize = 16 * 1024;

/// Asks the API server who may read the metrics. Cheap to clone.
#[derive(Clone)]
pub struct Authorizer {
    client: kube::Client,
    permits: Arc<Semaphore>,
}

impl Authorizer {
    /// With a client that may create TokenReviews and SubjectAccessReviews.
    pub fn new(client: kube::Client) -> Self {
        Self { client, permits: Arc::new(Semaphore::new(CONCURRENCY)) }
    }

    /// Whether the request may read the metrics.
    ///
    /// # Errors
    /// The status and the text of the refusal: 401 without a valid token, 403 without the right, 503 if the API server does
    /// not decide.
    pub async fn admit(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        let token = bearer_token(headers).ok_or((StatusCode::UNAUTHORIZED, "send a bearer token\n"))?;
        let _permit = self.permits.acquire().await;
        let user = self.user(token).await.map_err(|error| undecided(&error))?;
        let user = user.ok_or((StatusCode::UNAUTHORIZED, "the API server does not know this token\n"))?;
        if self.may_read(user).await.map_err(|error| undecided(&error))? {
            Ok(())
        } else {
            Err((
                StatusCode::FORBIDDEN,
                "this user may not get /metrics: bind a ClusterRole with this nonResourceURL\n",
            ))
        }
    }

    async fn user(&self, token: &str) -> kube::Result<Option<UserInfo>> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let review = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        let status = review.status.unwrap_or_default();
        Ok(status.user.filter(|_| status.authenticated == Some(true)))
    }

    async fn may_read(&self, user: UserInfo) -> kube::Result<bool> {
        let path = NonResourceAttributes { path: Some("/metrics".to_owned()), verb: Some("get".to_owned()) };
        let spec = SubjectAccessReviewSpec {
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            non_resource_attributes: Some(path),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let review = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        Ok(review.status.is_some_and(|status| status.allowed))
    }
}

fn undecided(error: &kube::Error) -> (StatusCode, &'static str) {
    tracing::warn!(%error, "the API server does not say who may read the metrics");
    (StatusCode::SERVICE_UNAVAILABLE, "the API server does not say who may read the metrics\n")
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= MAX_TOKEN).then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_bearer_token_is_one_whatever_the_case() {
        let headers = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
        assert_eq!(bearer_token(&headers("Bearer abc")), Some("abc"));
        assert_eq!(bearer_token(&headers("bearer  abc ")), Some("abc"));
        for wrong in ["", "abc", "Basic abc", "Bearer ", &format!("Bearer {}", "a".repeat(MAX_TOKEN + 1))] {
            assert_eq!(bearer_token(&headers(wrong)), None, "{wrong}");
        }
        assert_eq!(bearer_token(&HeaderMap::new()), None);
    }
}
