// The Azure SDK as this project uses it: one attempt for each request (retries are the request policy's), our own connections, and
// credentials from the configuration or from Microsoft's chain. What logs in by an identity (@azure/identity) is loaded when the
// first token is wanted, so that keys and shared access signatures do not pay for it.

import type { TokenCredential, TokenCredentialOptions } from '@azure/identity';
import {
  AnonymousCredential,
  BlobServiceClient,
  type ContainerClient,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { BackupError, messageOf } from '../../model/errors.ts';
import { createHttpsAgent } from '../request/https-agent.ts';
import type { RequestSettings } from '../request/request-policy.ts';

/** How to reach one container. With neither key nor signature, an identity logs in. */
export interface AzureSettings {
  readonly accountName: string;
  readonly container: string;
  /** In front of every key, without a slash at either end; empty for none. */
  readonly prefix: string;
  /** Null: the account's own address at Microsoft. */
  readonly endpoint: string | null;
  readonly accountKey: string | null;
  readonly sasToken: string | null;
  /** Tenant and client from here, or else from the environment, where Kubernetes puts them. */
  readonly useWorkloadIdentity: boolean;
  /** Of a service principal; alone it names a managed identity where the host has several. */
  readonly clientId: string | null;
  readonly tenantId: string | null;
  readonly clientSecret: string | null;
  readonly requests: RequestSettings;
}

type HttpsAgent = ReturnType<typeof createHttpsAgent>;

/**
 * Makes no request.
 * @param hear told the `Date` of every answer of the store
 * @throws CONFIG_INVALID for an account key of no possible form
 */
export function createContainerClient(
  settings: AzureSettings,
  hear: (date: string | undefined) => void,
): ContainerClient {
  const { accountName, container, sasToken } = settings;
  const endpoint = settings.endpoint ?? `https://${accountName}.blob.core.windows.net`;
  const agent = agentOf(settings);
  const options: StoragePipelineOptions & { readonly agent?: HttpsAgent } = {
    retryOptions: { maxTries: 1 },
    userAgentOptions: { userAgentPrefix: 'kafka-backup-agent' },
    // Passed on by the pipeline though its type does not say so. It cannot speak without TLS.
    ...(agent === undefined || endpoint.startsWith('http:') ? {} : { agent }),
  };
  const signature = sasToken === null ? '' : `?${sasToken.replace(/^\?/, '')}`;
  const pipeline = newPipeline(credentialOf(settings, agent), options);
  pipeline.factories.push({
    create: (next) => ({
      async sendRequest(request) {
        const answer = await next.sendRequest(request);
        hear(answer.headers.get('date'));
        return answer;
      },
    }),
  });
  return new BlobServiceClient(`${endpoint.replace(/\/+$/, '')}${signature}`, pipeline).getContainerClient(container);
}

/** Only where something is configured: what the environment says of proxies is left to the SDK. */
function agentOf({ requests: { proxy, caPath, maxConcurrentRequests } }: AzureSettings): HttpsAgent | undefined {
  if (proxy === null && caPath === null) return undefined;
  return createHttpsAgent({ proxy, caPath, maxSockets: maxConcurrentRequests });
}

function credentialOf(
  settings: AzureSettings,
  agent: HttpsAgent | undefined,
): StorageSharedKeyCredential | AnonymousCredential | TokenCredential {
  const { accountName, accountKey, sasToken } = settings;
  if (sasToken !== null) return new AnonymousCredential();
  if (accountKey === null) return lazily(settings, agent);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(accountKey)) {
    throw new BackupError('CONFIG_INVALID', 'storage.account_key is not Base64, which every account key is');
  }
  return new StorageSharedKeyCredential(accountName, accountKey);
}

/** A failure to open, and what broke the connection of a login, is told to the request that wanted the token. */
function lazily(settings: AzureSettings, agent: HttpsAgent | undefined): TokenCredential {
  const connection = new LoginConnection(agent, settings.requests.requestTimeoutMs);
  let opened: Promise<TokenCredential> | undefined;
  return {
    async getToken(scopes, options) {
      connection.failure = undefined;
      opened ??= openIdentity(settings, connection);
      try {
        return await (await opened).getToken(scopes, options);
      } catch (error) {
        throw connection.failure ?? error;
      }
    },
  };
}

/**
 * A service principal, the workload identity, or what environment and host offer in the order of Microsoft's own chain:
 * environment, workload identity, managed identity, Azure CLI.
 */
async function openIdentity(settings: AzureSettings, connection: LoginConnection): Promise<TokenCredential> {
  const { clientId, tenantId, clientSecret, useWorkloadIdentity } = settings;
  const { ClientSecretCredential, DefaultAzureCredential, WorkloadIdentityCredential } = await import(
    '@azure/identity'
  );
  const options: TokenCredentialOptions = {
    retryOptions: { maxRetries: 0 },
    additionalPolicies: [{ policy: connection, position: 'perCall' }],
  };
  const tenant = tenantId === null ? {} : { tenantId };
  if (clientId !== null && tenantId !== null && clientSecret !== null) {
    return new ClientSecretCredential(tenantId, clientId, clientSecret, options);
  }
  if (useWorkloadIdentity) {
    return new WorkloadIdentityCredential({ ...options, ...tenant, ...(clientId === null ? {} : { clientId }) });
  }
  const identity = clientId === null ? {} : { managedIdentityClientId: clientId, workloadIdentityClientId: clientId };
  return new DefaultAzureCredential({ ...options, ...tenant, ...identity });
}

type Policy = NonNullable<TokenCredentialOptions['additionalPolicies']>[number]['policy'];

/** How the service that logs in is reached. The library above it tells only that there was a `network_error`. */
class LoginConnection implements Policy {
  readonly name = 'loginConnection';
  readonly #agent: HttpsAgent | undefined;
  readonly #timeoutMs: number;
  /** Of the last request that nothing answered; with the name by which failures of a login are known. */
  failure: Error | undefined;

  constructor(agent: HttpsAgent | undefined, timeoutMs: number) {
    this.#agent = agent;
    this.#timeoutMs = timeoutMs;
  }

  async sendRequest(request: Parameters<Policy['sendRequest']>[0], next: Parameters<Policy['sendRequest']>[1]) {
    // The host's own token service is asked without TLS and without a proxy.
    if (this.#agent !== undefined && request.url.startsWith('https:')) request.agent = this.#agent;
    // Everybody waits for a login that is under way, so that it must end although whoever began it has given up.
    // Some have a shorter time already: where there may be nobody, as at the address of a host's own service.
    if (request.timeout === 0) request.timeout = this.#timeoutMs;
    try {
      return await next(request);
    } catch (error) {
      const { name, code = name } = error as { readonly name?: unknown; readonly code?: unknown };
      const message = `${new URL(request.url).host}: ${messageOf(error)}`;
      this.failure = Object.assign(new Error(message), { name: 'AuthenticationError', code });
      throw error;
    }
  }
}
