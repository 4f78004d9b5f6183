#!/bin/sh
# Remembers once the variables that jobs are to see (.env), and the PATH for the service (.path).
if [ ! -f .env ]; then
    touch .env
    for name in LANG JAVA_HOME ANT_HOME M2_HOME ANDROID_HOME GRADLE_HOME NVM_BIN NVM_PATH; do
        eval "value=\${$name-}"
        [ -z "$value" ] || echo "$name=$value" >> .env
    done
fi
echo "$PATH" > .path
