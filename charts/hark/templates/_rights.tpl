{{/*
The roles of one file of files/, under the names of this release, each with its binding. A
ClusterRole is bound in the watched namespaces, or in the whole cluster where there are none (or
"everywhere" is set); a Role lies in the release's namespace. Takes {"top", "half", "file"}.
*/}}
{{- define "hark.rights" -}}
{{- $top := .top -}}
{{- $half := .half -}}
{{- $watched := ternary list .top.Values.watchedNamespaces (default false .everywhere) -}}
{{- $labels := merge (dict "app.kubernetes.io/component" $half) (include "hark.labels" $top | fromYaml) -}}
{{- $subject := dict "kind" "ServiceAccount" "namespace" $top.Release.Namespace "name" (include "hark.account" .) -}}
{{- range $text := splitList "\n---\n" (.top.Files.Get .file) }}
{{- $role := fromYaml $text }}
{{- $name := printf "%s-%s" (include "hark.fullname" $top) (trimPrefix "hark-" $role.metadata.name) }}
{{- $binding := dict
  "apiVersion" "rbac.authorization.k8s.io/v1"
  "roleRef" (dict "apiGroup" "rbac.authorization.k8s.io" "kind" $role.kind "name" $name)
  "subjects" (list $subject)
}}
{{- $places := list }}
{{- if eq $role.kind "Role" }}
{{- $places = list $top.Release.Namespace }}
{{- $_ := set $role.metadata "namespace" $top.Release.Namespace }}
{{- else }}
{{- $places = $watched }}
{{- end }}
{{- $_ := set $role.metadata "name" $name }}
{{- $_ := set $role.metadata "labels" $labels }}
---
{{ toYaml $role }}
{{- range $place := $places }}
---
{{ toYaml (merge (dict "kind" "RoleBinding" "metadata" (dict "name" $name "namespace" $place "labels" $labels)) $binding) }}
{{- end }}
{{- if not $places }}
---
{{ toYaml (merge (dict "kind" "ClusterRoleBinding" "metadata" (dict "name" $name "labels" $labels)) $binding) }}
{{- end }}
{{- end }}
{{- end -}}
