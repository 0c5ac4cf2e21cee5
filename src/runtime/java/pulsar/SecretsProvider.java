package org.apache.pulsar.functions.secretsprovider;

import java.util.Map;

/** What Pulsar's instance asks of a provider: to compile against. Pulsar's own is there when a function runs. */
public interface SecretsProvider {
    void init(Map<String, String> config);

    String provideSecret(String name, Object reference);
}
