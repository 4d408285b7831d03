// Writes an inventory as CycloneDX 1.6 in JSON. The same inventory gives the same bytes.

import { Enums, Models, Serialize, SPDX, Spec } from './cyclonedx-library.js';
import type { Inventory, InventoryPackage } from './inventory.js';
import { licenseText } from './license-name.js';
import { debianUrl, genericUrl, pypiUrl } from './package-url.js';
import { spdxExpression } from './spdx-expression.js';
import { uuidOf } from './uuid.js';

export function cycloneDX(inventory: Inventory, pyflowVersion: string): string {
  const bom = new Models.Bom({ serialNumber: `urn:uuid:${uuidOf(inventory.slug.digest)}` });
  const app = appComponent(inventory);
  bom.metadata.component = app;
  bom.metadata.lifecycles.add(Enums.LifecyclePhase.PostBuild);
  bom.metadata.tools.components.add(
    new Models.Component(Enums.ComponentType.Application, 'pyflow', { version: pyflowVersion }),
  );
  if (inventory.time !== undefined) bom.metadata.timestamp = new Date(inventory.time);
  const python = pythonComponent(inventory);
  const packages = inventory.packages.map((one) => packageComponent(one));
  const system = inventory.system.map(({ name, version, source }) => {
    const purl = source === 'distribution' ? debianUrl(name, version) : genericUrl(name, version);
    return new Models.Component(Enums.ComponentType.Library, name, { version, purl, bomRef: `${purl}#system` });
  });
  for (const component of [python, ...packages, ...system]) bom.components.add(component);

  const byKey = new Map(inventory.packages.map(({ key }, index) => [key, packages[index]]));
  for (const [index, { needs, via }] of inventory.packages.entries()) {
    const component = packages[index];
    if (component === undefined) continue;
    for (const { name } of needs) {
      const needed = byKey.get(name);
      if (needed !== undefined && needed !== component) component.dependencies.add(needed.bomRef);
    }
    if (via.length === 0) app.dependencies.add(component.bomRef);
  }
  for (const component of [python, ...system]) app.dependencies.add(component.bomRef);
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

function appComponent({ slug, run, app }: Inventory) {
  return new Models.Component(Enums.ComponentType.Application, run?.appId ?? 'app', {
    version: slug.digest.slice(0, 12),
    bomRef: 'app',
    properties: properties({
      'pyflow:slug:digest': slug.digest,
      'pyflow:slug:files': String(slug.files),
      'pyflow:slug:bytes': String(slug.bytes),
      'pyflow:app:bytes': String(app.bytes),
      'pyflow:run': run?.id,
    }),
  });
}

function pythonComponent({ python, run }: Inventory) {
  const purl = genericUrl('python', python.version);
  return new Models.Component(Enums.ComponentType.Platform, 'python', {
    version: python.version,
    purl,
    bomRef: purl,
    properties: properties({
      'pyflow:path': python.path,
      'pyflow:bytes': String(python.bytes),
      'pyflow:machine': python.machine,
      'pyflow:provider': run?.python?.provider,
    }),
  });
}

function packageComponent(one: InventoryPackage) {
  const { name, version, path, directUrl } = one;
  const component = new Models.Component(Enums.ComponentType.Library, name, {
    ...(version !== '' && { version }),
    purl: pypiUrl(one),
    // Two folders can have the same package.
    bomRef: `${pypiUrl(one)}#${path}`,
    properties: properties({
      'pyflow:path': path,
      'pyflow:files': String(one.files),
      'pyflow:bytes': String(one.bytes),
      'pyflow:content-sha256': one.content,
      'pyflow:installer': one.installer,
      'pyflow:via': one.via.length === 0 ? undefined : one.via.join(' > '),
      'pyflow:editable': directUrl?.editable === true ? 'true' : undefined,
    }),
  });
  const sha256 = directUrl?.hashes['sha256'];
  if (sha256 !== undefined && sha256.length === 64) component.hashes.set(Enums.HashAlgorithm['SHA-256'], sha256);
  if (directUrl !== undefined) {
    const type = directUrl.commit === undefined ? 'Distribution' : 'VCS';
    component.externalReferences.add(new Models.ExternalReference(directUrl.url, Enums.ExternalReferenceType[type]));
  }
  const license = licenseOf(one);
  if (license !== undefined) component.licenses.add(license);
  return component;
}

function licenseOf({ license }: InventoryPackage) {
  const text = licenseText(license);
  if (text === undefined) return undefined;
  const id = SPDX.fixupSpdxId(text);
  if (id !== undefined) return new Models.SpdxLicense(id);
  const expression = spdxExpression(text);
  return expression === undefined ? new Models.NamedLicense(text) : new Models.LicenseExpression(expression);
}

function properties(values: Readonly<Record<string, string | undefined>>) {
  const repository = new Models.PropertyRepository();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) repository.add(new Models.Property(name, value));
  }
  return repository;
}
