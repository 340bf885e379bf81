//! Repositories.

use serde_json::{Map, Value, json};

use super::{add_urls, fields, long_ago};
use crate::world::github::GitHub;
use crate::world::github::accounts::Repository;
use crate::world::github::ids::node_id;

/// What follows a repository's URL.
const REPOSITORY_URLS: [(&str, &str); 38] = [
    ("url", ""),
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("svn_url", ""),
];

impl GitHub {
    /// A repository as `repository` in payloads and in lists.
    #[must_use]
    pub fn repository_json(&self, repository: &Repository) -> Value {
        let full_name = self.full_name(repository);
        let page = format!("{}/{full_name}", self.urls.html);
        let mut object = self.repository_facts(repository, &full_name);
        add_urls(
            &mut object,
            &format!("{}/repos/{full_name}", self.urls.api),
            &REPOSITORY_URLS,
        );
        let bare = page.trim_start_matches("https://").to_owned();
        let ssh = bare.replacen('/', ":", 1);
        object.extend(fields(json!({
            "html_url": page,
            "svn_url": page,
            "clone_url": format!("{page}.git"),
            "git_url": format!("git://{bare}.git"),
            "ssh_url": format!("git@{ssh}.git"),
            "mirror_url": null,
        })));
        object.into()
    }

    fn repository_facts(&self, repository: &Repository, full_name: &str) -> Map<String, Value> {
        let id = repository.id.0;
        let owner = self.accounts.get(&repository.owner);
        let mut object = fields(json!({
            "id": id,
            "node_id": node_id("Repository", id),
            "name": repository.name,
            "full_name": full_name,
            "private": repository.private,
            "visibility": if repository.private { "private" } else { "public" },
            "owner": owner.map(|owner| self.user_json(owner)),
            "description": null,
            "fork": false,
            "created_at": long_ago(),
            "updated_at": long_ago(),
            "pushed_at": long_ago(),
            "homepage": null,
            "size": 1_248,
            "language": "C++",
            "default_branch": "main",
            "archived": false,
            "disabled": false,
            "license": null,
            "topics": [],
            "custom_properties": {},
        }));
        for counter in [
            "stargazers_count",
            "watchers_count",
            "watchers",
            "forks_count",
            "forks",
            "open_issues",
            "open_issues_count",
        ] {
            object.insert(counter.to_owned(), 0.into());
        }
        for feature in [
            "has_issues",
            "has_projects",
            "has_downloads",
            "has_wiki",
            "allow_forking",
        ] {
            object.insert(feature.to_owned(), true.into());
        }
        for feature in [
            "has_pages",
            "has_discussions",
            "is_template",
            "web_commit_signoff_required",
        ] {
            object.insert(feature.to_owned(), false.into());
        }
        object
    }

    /// `GET /repos/{owner}/{repo}`.
    #[must_use]
    pub fn full_repository_json(&self, repository: &Repository) -> Value {
        let mut object = fields(self.repository_json(repository));
        object.insert("network_count".to_owned(), 0.into());
        object.insert("subscribers_count".to_owned(), 0.into());
        object.into()
    }

    /// A repository as events about installations list it.
    pub(in crate::world::github) fn repository_lite_json(&self, repository: &Repository) -> Value {
        json!({
            "id": repository.id.0,
            "node_id": node_id("Repository", repository.id.0),
            "name": repository.name,
            "full_name": self.full_name(repository),
            "private": repository.private,
        })
    }
}
