package weft;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.pulsar.functions.secretsprovider.SecretsProvider;

/**
 * The secrets of a Java function, which its keeper gives it on standard input (program_command.h): in the place of
 * the command line, which everybody can read, of the environment, and of the function's details, which Pulsar's
 * instance logs.
 */
public final class StandardInputSecrets implements SecretsProvider {
    private final Map<String, String> secrets = new HashMap<>();

    @Override
    public void init(Map<String, String> config) {
        // Closing leaves /dev/null there.
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(FileDescriptor.in)))) {
            for (int left = in.readInt(); left > 0; --left) {
                String name = text(in);
                secrets.put(name, text(in));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the function's secrets can't be read from standard input", e);
        }
    }

    @Override
    public String provideSecret(String name, Object reference) {
        return secrets.get(name);
    }

    private static String text(DataInputStream in) throws IOException {
        return new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
    }
}
