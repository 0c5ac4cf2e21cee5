import static java.lang.ProcessBuilder.Redirect.DISCARD;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.DELETE_ON_CLOSE;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;

/** Does what hostile.py does, in Java; of its attempts those that a JVM has words for. */
public class Hostile implements Function<String, String> {
    @Override
    public String apply(String told) {
        int space = told.indexOf(' ');
        String what = space < 0 ? told : told.substring(0, space);
        String about = told.substring(space + 1);
        try {
            return attempt(what, about) ? "ok" : "refused";
        } catch (IOException | UnsupportedOperationException e) {
            return "refused";
        }
    }

    private static boolean succeeds(String... command) throws IOException {
        Process child = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(DISCARD).start();
        try {
            return child.waitFor() == 0;
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private static boolean attempt(String what, String about) throws IOException {
        switch (what) {
            case "list":
                Files.list(Path.of(about)).close();
                return true;
            case "read":
                Files.newInputStream(Path.of(about)).close();
                return true;
            case "by_link":
                Files.deleteIfExists(Path.of("link"));
                Files.newInputStream(Files.createSymbolicLink(Path.of("link"), Path.of(about))).close();
                return true;
            case "by_child":
                return succeeds("cat", about);
            case "large":
                try (SeekableByteChannel file = Files.newByteChannel(Path.of("large"), CREATE, WRITE, DELETE_ON_CLOSE)) {
                    file.position(Long.parseLong(about)).write(ByteBuffer.wrap(new byte[1]));
                }
                return true;
            case "unix_socket":
                SocketChannel.open(StandardProtocolFamily.UNIX).close();
                return true;
            case "make":
                Files.createTempFile("hostile", about);
                return true;
            case "end":
                return ProcessHandle.of(Long.parseLong(about)).orElseThrow().destroyForcibly();
            case "listen":
                new ServerSocket(Integer.parseInt(about), 1, InetAddress.getLoopbackAddress()).close();
                return true;
            case "connect":
                new Socket(InetAddress.getLoopbackAddress(), Integer.parseInt(about)).close();
                return true;
            default:
                throw new IllegalArgumentException(what);
        }
    }
}
