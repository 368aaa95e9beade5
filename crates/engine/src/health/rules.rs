//! The rules of `rules/*.yaml`, by kind.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::rule::Rule;

macro_rules! sources {
    ($($name:literal)*) => {
        /// Each rule's name and text.
        pub(super) const SOURCES: &[(&str, &str)] = &[$(($name, include_str!(concat!("rules/", $name, ".yaml")))),*];
    };
}

sources! {
    "3scale-apimanager"
    "3scale-capabilities"
    "ansible-job"
    "apiservice"
    "argo-analysisrun"
    "argo-applicationset"
    "argo-cronworkflow"
    "argo-events"
    "argo-rollout"
    "astra-appvault"
    "astra-exechook"
    "astra-schedule"
    "astra-task"
    "atlas"
    "aws-controllers"
    "camel-integration"
    "cert-manager-certificate"
    "clickhouse"
    "cloudnativepg-cluster"
    "clusterapi-awsmanagedcontrolplane"
    "clusterapi-cluster"
    "clusterapi-machine"
    "clusterapi-machinedeployment"
    "clusterapi-machinehealthcheck"
    "clusterapi-machinepool"
    "clusterresourceset"
    "config-connector"
    "confluent-cluster"
    "confluent-connector"
    "contour-httpproxy"
    "coralogix"
    "crossplane"
    "crossplane-provider"
    "crossplane-stack"
    "customresourcedefinition"
    "datadog-metric"
    "elastic-beat"
    "elastic-elasticsearch"
    "elastic-logstash"
    "external-secrets-clusterexternalsecret"
    "flagger-canary"
    "flink-deployment"
    "flux"
    "gardener-shoot"
    "gateway-gateway"
    "gateway-gatewayclass"
    "gateway-policy"
    "gateway-route"
    "gke-managedcertificate"
    "gloo"
    "grafana"
    "grafana-content"
    "humio"
    "iamrole"
    "ingress"
    "istio-operator"
    "jaeger"
    "kafka-koperator"
    "kafka-strimzi"
    "karmada-binding"
    "karpenter-nodeclaim"
    "karpenter-nodepool"
    "keda"
    "keptn-analysis"
    "keptn-lifecycle"
    "keptn-metric"
    "keycloak"
    "keycloak-realmimport"
    "kiali"
    "knative-operator"
    "kruise-advancedcronjob"
    "kruise-broadcastjob"
    "kruise-cloneset"
    "kruise-daemonset"
    "kruise-gameserver"
    "kruise-gameserverset"
    "kruise-rollout"
    "kruise-statefulset"
    "kserve-inferenceservice"
    "kubernetes-external-secrets"
    "kubevirt-datavolume"
    "kubevirt-virtualmachine"
    "kubevirt-virtualmachineinstance"
    "kyverno-policy"
    "mariadb"
    "minio-tenant"
    "nmstate"
    "numaflow"
    "numaplane"
    "ocm-configurationpolicy"
    "ocm-operatorpolicy"
    "ocm-policy"
    "olm-subscription"
    "openfaas-function"
    "openshift-deploymentconfig"
    "openshift-ingresscontroller"
    "openshift-route"
    "openshift-storagecluster"
    "opentelemetry-collector"
    "percona"
    "persistentvolumeclaim"
    "poddisruptionbudget"
    "proclaim"
    "prometheus-operator"
    "promoter"
    "promoter-changetransferpolicy"
    "promoter-checks"
    "promoter-commitstatus"
    "promoter-promotionstrategy"
    "promoter-pullrequest"
    "pulumi-stack"
    "rabbitmq-cluster"
    "rabbitmq-topology"
    "ready"
    "rook-cephcluster"
    "rook-phase"
    "sap-service"
    "sealedsecret"
    "service"
    "solrcloud"
    "spark-application"
    "spin-app"
    "spot-deployment"
    "trident-backendconfig"
    "trident-orchestrator"
    "victoriametrics"
    "volumesnapshot"
    "workflow"
    "zalando-postgresql"
    "zookeeper-pravega"
}

/// Read when the first object is looked at that has no rule in Rust.
static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::new(SOURCES.iter().map(|(_, text)| *text)));

/// The rule for objects of `kind` in `group`, from the one for just that kind to the one for the most groups.
pub(super) fn rule(group: &str, kind: &str) -> Option<&'static Rule> {
    RULES.find(group, kind)
}

#[derive(Debug, Default)]
struct Rules {
    all: Vec<Rule>,
    /// By group, the kinds with the place of their rule.
    groups: HashMap<String, Vec<(String, usize)>>,
    /// The end of a group, with the place of its rule.
    families: Vec<(String, usize)>,
}

impl Rules {
    /// Texts that are no rules are left out; a test holds that there are none.
    fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut rules = Self::default();
        for rule in texts.filter_map(|text| Rule::parse(text).ok()) {
            for kind in &rule.kinds {
                let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
                match group.strip_prefix('*') {
                    Some(end) => rules.families.push((end.to_owned(), rules.all.len())),
                    None => rules.groups.entry(group.to_owned()).or_default().push((kind.to_owned(), rules.all.len())),
                }
            }
            rules.all.push(rule);
        }
        rules
    }

    fn find(&self, group: &str, kind: &str) -> Option<&Rule> {
        let kinds = self.groups.get(group).map_or(&[][..], Vec::as_slice);
        let named = |name: &str| kinds.iter().find(|(kind, _)| kind == name).map(|(_, place)| *place);
        let family = || self.families.iter().find(|(end, _)| group.ends_with(end.as_str())).map(|(_, place)| *place);
        named(kind).or_else(|| named("*")).or_else(family).map(|place| &self.all[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_for_just_that_kind_comes_before_the_one_for_its_group() {
        let texts = ["*.example.io/*", "a.example.io/*", "a.example.io/Exact", "Core"]
            .map(|kind| format!("{{kinds: ['{kind}'], rules: [{{Healthy: otherwise}}]}}"));
        let rules = Rules::new(texts.iter().map(String::as_str));
        let found = |group: &str, kind: &str| rules.find(group, kind).map(|rule| rule.kinds[0].as_str());
        assert_eq!(found("a.example.io", "Exact"), Some("a.example.io/Exact"));
        assert_eq!(found("a.example.io", "Other"), Some("a.example.io/*"));
        assert_eq!(found("b.c.example.io", "Other"), Some("*.example.io/*"));
        assert_eq!(found("", "Core"), Some("Core"));
        assert_eq!(found("", "ConfigMap"), None);
        assert_eq!(found("example.io", "Other"), None);
    }

    #[test]
    fn no_kind_has_two_rules() {
        let mut kinds: Vec<String> =
            SOURCES.iter().flat_map(|(_, text)| Rule::parse(text).expect("a rule").kinds).collect();
        kinds.sort();
        let twice: Vec<&[String]> = kinds.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
