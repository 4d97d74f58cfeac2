import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import type { ServiceClientConstructor, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Options } from '@grpc/proto-loader';
import { MessageWriter } from './message-writer.js';
import type { MessageDescriptor, TypeDescriptors } from './message-writer.js';

/** The message shapes of ports/cri/messages.ts, as proto-loader options. */
const loaderOptions: Options = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  arrays: true,
  objects: true,
  oneofs: true,
};

/** The largest gRPC message in either direction, bytes: what kubelet and crictl allow. */
export const messageMaxBytes = 16 * 1024 * 1024;

/** Both CRI services as loaded from proto/runtime-v1.proto: client constructors that carry the definitions. */
export interface CriDefinitions {
  RuntimeService: ServiceClientConstructor;
  ImageService: ServiceClientConstructor;
}
export type CriServiceName = keyof CriDefinitions;

/** Path of the CRI proto: in the package's own root, wherever the compiled file lies below it. */
export function protoPath(): string {
  let dir = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = path.join(dir, 'proto', 'runtime-v1.proto');
    if (fs.existsSync(candidate)) return candidate;
    const parent = path.dirname(dir);
    if (parent === dir) throw new Error('proto/runtime-v1.proto is missing from the nodelet package');
    dir = parent;
  }
}

/** Reads and parses the proto, about 30 ms: done once, at start. */
export function loadCriDefinitions(file = protoPath()): CriDefinitions {
  const grpcObject = loadPackageDefinition(loadSync(file, loaderOptions));
  const found = grpcObject as unknown as { runtime: { v1: CriDefinitions } };
  return found.runtime.v1;
}

/** A service whose answers are encoded by a MessageWriter: what the server speaks. */
export function withOwnWriter(definitions: CriDefinitions, service: CriServiceName): ServiceDefinition {
  const writer = new MessageWriter(definitions as unknown as TypeDescriptors);
  const entries = Object.entries(methodsOf(definitions[service])).map(([rpc, method]) => {
    const { type } = (method as typeof method & { responseType: { type: MessageDescriptor } }).responseType;
    const responseSerialize = (answer: unknown) => writer.encode(type.name, answer as object);
    return [rpc, { ...method, responseSerialize }] as const;
  });
  return Object.fromEntries(entries);
}

/** Method definitions of a service, rpc by rpc. */
export function methodsOf(constructor: ServiceClientConstructor): ServiceDefinition {
  return constructor.service;
}
