// An OpenID provider on https://localhost, controlled by JSON lines: each input line gets one output line.
// "publish" creates a new provider with the given keys, in that order; the first suitable key signs.
// "serve" true or false sets whether the server responds or fails with 500.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

console.info = console.error; // notices of the provider must not mix with the responses

const [certificate, key, audience] = process.argv.slice(2);
const counts = {};
let handle;
let serving = true;

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
  const path = new URL(request.url, 'https://localhost').pathname;
  counts[path] = (counts[path] ?? 0) + 1;
  if (!serving) {
    response.writeHead(500).end();
    return;
  }
  handle(request, response);
});

function publish({ keys, algorithm }) {
  const provider = new Provider(`https://localhost:${server.address().port}`, {
    jwks: { keys },
    clients: [
      {
        client_id: 'machine',
        client_secret: 'for these tests only',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: algorithm,
      },
    ],
    enabledJWA: { idTokenSigningAlgValues: [algorithm] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: 'orders:read orders:write',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
    scopes: ['orders:read', 'orders:write'],
  });
  handle = provider.callback();
  return {};
}

const commands = {
  publish,
  serve: ({ answers }) => {
    serving = answers;
    return {};
  },
  counts: () => ({ counts }),
};

server.listen(0, 'localhost', () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { command, ...request } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(commands[command](request))}\n`);
});
lines.on('close', () => process.exit());
