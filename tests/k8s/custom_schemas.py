"""Schemas of the operators' objects that we use, by the fields their documentation knows.

kubernetes-validate has none of them. Only what we use is listed; an unknown field is an error, because the API server
drops it without a word.
"""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_NUMBER = {"type": "integer", "minimum": 0}
_DURATION = {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$"}
_QUANTITY = {"type": ["string", "integer"], "pattern": r"^[0-9.]+(m|[kMGTPE]i?)?$"}


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def _list(of: dict[str, Any], least: int = 1) -> dict[str, Any]:
    return {"type": "array", "minItems": least, "items": of}


_SELECTOR = _object(
    matchLabels=_TEXTS,
    matchExpressions=_list(_object("key operator", key=_TEXT, operator=_TEXT, values=_list(_TEXT))),
)
_RELABELING = _object(
    sourceLabels=_list(_TEXT),
    separator={"type": "string"},
    targetLabel=_TEXT,
    regex=_TEXT,
    replacement={"type": "string"},
    action={"enum": ["replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep", "hashmod", "lowercase"]},
)
_ENDPOINT = _object(
    port=_TEXT,
    path={"type": "string", "pattern": "^/"},
    scheme={"enum": ["http", "https", "HTTP", "HTTPS"]},
    interval=_DURATION,
    scrapeTimeout=_DURATION,
    honorLabels={"type": "boolean"},
    relabelings=_list(_RELABELING),
    metricRelabelings=_list(_RELABELING),
)
_RULE = {
    **_object(
        "expr",
        alert=_TEXT,
        record=_TEXT,
        expr={"type": ["string", "integer"]},
        labels=_TEXTS,
        annotations=_TEXTS,
        **{"for": _DURATION, "keep_firing_for": _DURATION},
    ),
    "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
}
_NAMESPACES = _object(any={"type": "boolean"}, matchNames=_list(_TEXT))
_MONITOR = {"jobLabel": _TEXT, "selector": _SELECTOR, "namespaceSelector": _NAMESPACES, "sampleLimit": _NUMBER}

_SCALED_OBJECT = _object(
    "scaleTargetRef triggers",
    scaleTargetRef=_object("name", apiVersion=_TEXT, kind=_TEXT, name=_TEXT, envSourceContainerName=_TEXT),
    pollingInterval=_NUMBER,
    cooldownPeriod=_NUMBER,
    initialCooldownPeriod=_NUMBER,
    idleReplicaCount=_NUMBER,
    minReplicaCount=_NUMBER,
    maxReplicaCount=_NUMBER,
    fallback=_object(
        "failureThreshold replicas",
        failureThreshold=_NUMBER,
        replicas=_NUMBER,
        behavior={"enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]},
    ),
    advanced=_object(
        restoreToOriginalReplicaCount={"type": "boolean"},
        horizontalPodAutoscalerConfig=_object(name=_TEXT, behavior={"type": "object"}),
    ),
    triggers=_list(
        _object(
            "type metadata",
            type={"const": "prometheus"},
            name=_TEXT,
            metricType={"enum": ["AverageValue", "Value"]},
            useCachedMetrics={"type": "boolean"},
            metadata=_object(
                "serverAddress query threshold",
                serverAddress=_TEXT,
                query=_TEXT,
                threshold=_TEXT,
                activationThreshold=_TEXT,
                ignoreNullValues={"enum": ["true", "false"]},
                namespace=_TEXT,
                timeout=_TEXT,
                unsafeSsl={"enum": ["true", "false"]},
                customHeaders=_TEXT,
            ),
            authenticationRef=_object("name", name=_TEXT, kind=_TEXT),
        )
    ),
)
_FLAVORS = _list(
    _object(
        "name resources",
        name=_TEXT,
        resources=_list(
            _object(
                "name nominalQuota",
                name=_TEXT,
                nominalQuota=_QUANTITY,
                borrowingLimit=_QUANTITY,
                lendingLimit=_QUANTITY,
            )
        ),
    )
)
_CLUSTER_QUEUE = _object(
    "resourceGroups",
    # v1beta1 says cohort, v1beta2 cohortName.
    cohort=_TEXT,
    cohortName=_TEXT,
    namespaceSelector=_SELECTOR,
    queueingStrategy={"enum": ["BestEffortFIFO", "StrictFIFO"]},
    preemption=_object(
        reclaimWithinCohort={"enum": ["Never", "LowerPriority", "Any"]},
        withinClusterQueue={"enum": ["Never", "LowerPriority", "LowerOrNewerEqualPriority"]},
        borrowWithinCohort={"type": "object"},
    ),
    resourceGroups=_list(_object("coveredResources flavors", coveredResources=_list(_TEXT), flavors=_FLAVORS)),
    stopPolicy={"enum": ["None", "Hold", "HoldAndDrain"]},
)

SPECS: dict[tuple[str, str], dict[str, Any]] = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _object(
        "selector endpoints", **_MONITOR, endpoints=_list(_ENDPOINT), targetLabels=_list(_TEXT)
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): _object(
        "selector podMetricsEndpoints",
        **_MONITOR,
        podMetricsEndpoints=_list(_ENDPOINT),
        podTargetLabels=_list(_TEXT),
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _object(
        "groups",
        groups=_list(_object("name rules", name=_TEXT, interval=_DURATION, labels=_TEXTS, rules=_list(_RULE))),
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): _SCALED_OBJECT,
    **{
        (f"kueue.x-k8s.io/{version}", kind): spec
        for version in ("v1beta1", "v1beta2")
        for kind, spec in {
            "ResourceFlavor": _object(
                nodeLabels=_TEXTS, nodeTaints=_list({"type": "object"}), tolerations=_list({"type": "object"})
            ),
            "ClusterQueue": _CLUSTER_QUEUE,
            "LocalQueue": _object("clusterQueue", clusterQueue=_TEXT, stopPolicy=_TEXT),
            "WorkloadPriorityClass": _object(),
        }.items()
    },
}
