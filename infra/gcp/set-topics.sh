#!/bin/sh
# Has secrets that exist announce their changes: adds the topic to each that does not carry it yet.
# usage: set-topics.sh PROJECT TOPIC [PREFIX]   (TOPIC is the output topic of the module)
# Needs gcloud, logged in as somebody who may update secrets. May be run again.
set -eu

if [ "$#" -lt 2 ]; then
  echo "usage: $0 PROJECT projects/P/topics/T [PREFIX]" >&2
  exit 2
fi
project=$1
topic=$2
prefix=${3:-}

gcloud secrets list --project "$project" --format "csv[no-heading](name.basename(),topics[].name.list())" |
  while IFS=, read -r name topics; do
    case $name in "$prefix"*) ;; *) continue ;; esac
    case ",$(echo "$topics" | tr -d '"' | tr ';' ',')," in *",$topic,"*) continue ;; esac
    echo "$name announces its changes from now on"
    gcloud secrets update "$name" --project "$project" --add-topics "$topic" --quiet </dev/null
  done
