//! Images by what they hold, not by a name that may stand for something else tomorrow or on another engine.

use super::{Engine, EngineError};
use bollard::errors::Error;

impl Engine {
    /// What names exactly this image everywhere: its digest in the registry that it came from, else its own digest,
    /// which engines that the image was carried to have as well. None when this engine does not have the image.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn pinned(&self, image: &str) -> Result<Option<String>, EngineError> {
        if is_pinned(image) {
            return Ok(Some(image.to_owned()));
        }
        match self.docker().inspect_image(image).await {
            Ok(found) => Ok(choose(image, &found.repo_digests.unwrap_or_default(), found.id.as_deref())),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.trouble(&error)),
        }
    }
}

/// Whether a text names an image by its digest already.
#[must_use]
pub fn is_pinned(image: &str) -> bool {
    let digest = image.rsplit_once('@').map_or(image, |(_, digest)| digest);
    digest
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn choose(image: &str, registries: &[String], id: Option<&str>) -> Option<String> {
    // The tag is behind the last colon, unless that colon stands before a port.
    let repository = match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => image,
    };
    let of_registry = registries.iter().find(|known| known.split('@').next() == Some(repository));
    of_registry.map(String::as_str).or(id).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{choose, is_pinned};

    #[test]
    fn a_registry_s_digest_comes_before_the_image_s_own() {
        let known = ["other/app@sha256:1".to_owned(), "host:5000/app@sha256:2".to_owned()];
        assert_eq!(
            choose("host:5000/app:9", &known, Some("sha256:3")).as_deref(),
            Some("host:5000/app@sha256:2")
        );
        assert_eq!(
            choose("host:5000/app", &known, Some("sha256:3")).as_deref(),
            Some("host:5000/app@sha256:2")
        );
        assert_eq!(choose("app:9", &known, Some("sha256:3")).as_deref(), Some("sha256:3"));
        assert_eq!(choose("app", &[], None), None);
    }

    #[test]
    fn digests_are_known_as_such() {
        let hex = "0123456789abcdef".repeat(4);
        assert!(is_pinned(&format!("sha256:{hex}")) && is_pinned(&format!("host:5000/app:2@sha256:{hex}")));
        assert!(!is_pinned("app:2") && !is_pinned("app@sha256:12") && !is_pinned(&hex));
    }
}
