//! `gantline install`

mod rights;
mod workload;

use clap::Args;
use control::{ACCOUNTS_SECRET, CONFIG_MAPS};
use serde_json::{Value, json};

use self::rights::{Reach, Rights};
use crate::failure::{Code, Outcome};
use crate::{output, plane};

/// What all of it is called, where Argo CD's names say nothing else.
const NAME: &str = "gantline";

/// Print the manifests that a cluster needs
#[derive(Debug, Args)]
#[command(
    after_help = "Apply them: gantline install --image IMAGE --manage NAMESPACE | kubectl apply --server-side -f -"
)]
pub(crate) struct Install {
    /// The namespace of the control plane
    #[arg(long, default_value = "argocd", value_parser = namespace)]
    into: String,
    /// The image of gantline to run; without it only the kinds, the namespace and the rights are printed
    #[arg(long)]
    image: Option<String>,
    /// How many processes share the work
    #[arg(long, default_value_t = 1, value_name = "N")]
    replicas: u32,
    /// Only the CustomResourceDefinitions
    #[arg(long)]
    crds_only: bool,
    /// A namespace that Applications may deploy to; several: again, or with commas between. It must be there
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    manage: Vec<String>,
    /// A namespace beside the control plane's that Applications may live in; several as for --manage
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    application_namespaces: Vec<String>,
    /// Rights in the named namespaces only, and none on the cluster [this is the default]
    #[arg(long, group = "reach")]
    namespaced: bool,
    /// Read all objects of the cluster, Secrets too; write only in the namespaces of --manage
    #[arg(long, group = "reach")]
    read_everything: bool,
    /// Do everything on the cluster, as cluster-admin may
    #[arg(long, group = "reach", conflicts_with = "manage")]
    all_rights: bool,
}

/// A Role stands in one namespace: there is none for a pattern.
fn namespace(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = !text.is_empty() && text.len() <= 63 && text.chars().all(fits);
    if is_name && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text.to_owned());
    }
    Err("write the name of one namespace, as team-a; patterns are none".to_owned())
}

impl Install {
    pub(crate) fn run(self) -> Outcome {
        output::raw(&self.objects().iter().map(output::yaml).collect::<Vec<_>>().join("---\n"));
        Ok(Code::Done.into())
    }

    fn objects(&self) -> Vec<Value> {
        let mut objects = plane::definitions();
        if self.crds_only {
            return objects;
        }
        objects.push(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.into } }));
        objects.extend(self.rights().objects());
        objects.extend(self.configuration());
        let workload = self.image.as_deref().map(|image| workload::objects(&self.into, image, self.replicas));
        objects.extend(workload.into_iter().flatten());
        objects
    }

    fn rights(&self) -> Rights<'_> {
        let reach = match (self.all_rights, self.read_everything) {
            (true, _) => Reach::All,
            (_, true) => Reach::Read,
            _ => Reach::Named,
        };
        Rights { own: &self.into, reach, managed: &self.manage, applications: &self.application_namespaces }
    }

    /// Argo CD's config maps and Secret, empty but for what has to be seen.
    fn configuration(&self) -> Vec<Value> {
        let [settings, policy, _, _, parameters] = CONFIG_MAPS;
        let config = |name: &str, data: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, &self.into), "data": data });
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata(ACCOUNTS_SECRET, &self.into), "type": "Opaque" });
        let mut objects = vec![
            config(settings, json!({})),
            // who is logged in may read everything: a line that can be seen, and taken away
            config(policy, json!({ "policy.default": "role:readonly" })),
            secret,
        ];
        if !self.application_namespaces.is_empty() {
            let namespaces = self.application_namespaces.join(",");
            objects.push(config(parameters, json!({ "application.namespaces": namespaces })));
        }
        objects
    }
}

fn metadata(name: &str, namespace: &str) -> Value {
    json!({ "name": name, "namespace": namespace, "labels": { "app.kubernetes.io/part-of": "argocd" } })
}

#[cfg(test)]
mod tests;
