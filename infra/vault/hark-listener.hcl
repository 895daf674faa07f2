# The listener: versions and times of secrets, and no value.
path "secret/metadata/*" {
  capabilities = ["read"]
}
