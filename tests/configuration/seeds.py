"""The blocks of settings that Pulsar's page on the functions worker shows (version 2.6.1), written anew, and what Weft says to each."""

TLS = """\
useTLS: true
pulsarServiceUrl: pulsar+ssl://localhost:6651/
pulsarWebServiceUrl: https://localhost:8443

tlsEnabled: true
tlsCertificateFilePath: /certs/worker.cert.pem
tlsKeyFilePath:         /certs/worker.key-pk8.pem
tlsTrustCertsFilePath:  /certs/ca.cert.pem

{comment} what the client trusts
brokerClientTrustCertsFilePath: /certs/ca.cert.pem
"""
USABLE = "the configuration can be used"
BLOCKS = {
    "state": ("stateStorageServiceUrl: bk://bookie:4181\n", ["stateStorageServiceUrl = bk://bookie:4181: leave it out"]),
    "tls, with a comment as on the page": (TLS.format(comment="//"), [":10: it begins with //"]),
    "tls": (
        TLS.format(comment="#"),
        ["tlsCertificateFilePath = /certs/worker.cert.pem: certificate /certs/worker.cert.pem: "],
    ),
    "authentication": (
        "authenticationEnabled: true\nauthenticationProviders: [ provider1, provider2 ]\n",
        ["authenticationProviders = provider1,provider2: authenticationProviders: provider1 is not served"],
    ),
    "tls authentication": (
        "brokerClientAuthenticationPlugin: org.apache.pulsar.client.impl.auth.AuthenticationTls\n"
        "brokerClientAuthenticationParameters: tlsCertFile:/certs/admin.cert.pem,tlsKeyFile:/certs/admin.key-pk8.pem\n"
        "authenticationEnabled: true\n"
        "authenticationProviders: ['org.apache.pulsar.broker.authentication.AuthenticationProviderTls']\n",
        ["brokerClientAuthenticationParameters = ********: authentication by TLS needs a pulsar+ssl://"],
    ),
    "sasl": (
        "properties:\n  saslJaasClientAllowedIds: .*pulsar.*\n  saslJaasBrokerSectionName: Broker\n",
        ["properties.saslJaasBrokerSectionName = Broker: leave it out"],
    ),
    "token": (
        "properties:\n  tokenSecretKey:       file://my/secret.key\n  # tokenPublicKey:     file:///keys/public.key\n",
        [USABLE],
    ),
    "authorization": (
        "authorizationEnabled: true\n"
        "authorizationProvider: org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider\n"
        "configurationStoreServers: zk1:2181\n",
        ["authorizationEnabled = true: set authenticationEnabled too", "configurationStoreServers = zk1:2181: has no effect here"],
    ),
    "superusers": ("superUserRoles:\n  - role1\n  - role2\n  - role3\n", [USABLE]),
    "client authentication by its old names": (
        "clientAuthenticationPlugin: a.b.C\nclientAuthenticationParameters: token:abc\n",
        ["clientAuthenticationPlugin = a.b.C: authentication plugin a.b.C is not served"],
    ),
}  # fmt: skip
